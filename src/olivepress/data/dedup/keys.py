"""The keys that rows are compared by: of messages, tool calls, tool results and tools, not of ids."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from olivepress.data.store.row_store import Keys, digest64
from olivepress.data.text.words import comparable, exact_key, normal

__all__ = ["arguments_of", "keys_of"]

Messages = Sequence[Mapping[str, Any]]
# Content, role and calls have keys of their own; the id of a call is arbitrary.
_NOT_OTHER_FIELDS = ("content", "role", "tool_calls", "tool_call_id")


def keys_of(
    messages: Messages,
    tools: Sequence[Any] | None,
    *,
    question: str,
    plain: bool = False,
    rejected: Mapping[str, Any] | None = None,
) -> Keys:
    """The keys of a row. ``question`` is the question alone; ``plain``: there is no question, only text.

    ``rejected``: of a preference, which is another one with another rejected answer.
    """
    *before, last = messages
    openings = _openings(messages, tools)
    if plain:
        before = [{**last, "role": "user"}]
    prompt = "\0".join(map(_turn, before)) + _tools(tools)
    punctuated = prompt
    if not plain:
        punctuated = "\0".join(f"{m['role']}:{normal(m['content'])}{_other_fields(m)}" for m in before)
    context = "" if plain else " ".join(_tool_texts(before))
    return Keys(
        near=comparable(f"{question} {context}" if context else question),
        prompt=digest64(prompt),
        punctuated_prompt=digest64(punctuated + _tools(tools)),
        pair=_pair(prompt, last) if rejected is None else _pair(f"{prompt}\0{_turn(last)}", rejected),
        openings=openings,
    )


def _pair(prompt: str, answer: Mapping[str, Any]) -> int:
    return digest64(f"{prompt}\0{exact_key(answer['content'])}{_other_fields(answer)}")


def _openings(messages: Messages, tools: Sequence[Any] | None) -> tuple[int, ...]:
    answers = [place for place, message in enumerate(messages[:-1]) if message["role"] == "assistant" and place]
    turns = [_turn(message) for message in messages[:-1]] if answers else []
    return tuple(_pair("\0".join(turns[:place]) + _tools(tools), messages[place]) for place in answers)


def _turn(message: Mapping[str, Any]) -> str:
    return f"{message['role']}:{exact_key(message['content'])}{_other_fields(message)}"


def _other_fields(message: Mapping[str, Any]) -> str:
    """A message's calls (names and arguments) and fields besides its text; nothing for a message of text alone."""
    if len(message) == 2:
        return ""
    fields = {name: value for name, value in message.items() if name not in _NOT_OTHER_FIELDS}
    calls = [_call(call) for call in message.get("tool_calls") or ()]
    return _canonical([calls, fields]) if calls or fields else ""


def _call(call: Any) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return call
    return [function.get("name"), arguments_of(function)]


def arguments_of(function: Mapping[str, Any]) -> Any:
    """The arguments of a call, whether they are given as an object or as JSON text."""
    arguments = function.get("arguments")
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments


def _tools(tools: Sequence[Any] | None) -> str:
    return f"\0{_canonical(tools)}" if tools else ""


def _tool_texts(messages: Messages) -> Iterator[str]:
    """Arguments and results of calls: without them, two questions about different results would be near."""
    for message in messages:
        if message["role"] == "tool":
            yield message["content"]
        for call in message.get("tool_calls") or ():
            function = call.get("function") if isinstance(call, dict) else None
            if isinstance(function, dict):
                yield from _texts(arguments_of(function))


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, (dict, list)):
        for entry in value.values() if isinstance(value, dict) else value:
            yield from _texts(entry)
    elif value is not None:
        yield str(value)


def _canonical(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
