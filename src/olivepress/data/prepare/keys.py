"""By what a row is the same as another one, or nearly: its messages, tool calls, tool results and tools, not ids."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from olivepress.data.prepare.words import comparable, exact_key, normal
from olivepress.data.store.row_store import digest64

__all__ = ["Keys", "arguments_of", "keys_of"]

Messages = Sequence[Mapping[str, Any]]
_WITHOUT = ("content", "role", "tool_calls", "tool_call_id")  # what is looked at apart, or names a call by chance


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """``near``: words by which near duplicates are found. The others are digests: ``prompt`` of all before the answer
    and ``pair`` with it, without case, spaces and punctuation; ``asked`` of the prompt with its punctuation;
    ``openings``: the ``pair`` of each shorter conversation that this one begins with.
    """

    near: str
    prompt: int
    asked: int
    pair: int
    openings: tuple[int, ...] = ()


def keys_of(messages: Messages, tools: Sequence[Any] | None, *, question: str, plain: bool = False) -> Keys:
    """The keys of a row. ``question`` is what is asked in its own words; ``plain``: there is no question, only text."""
    *before, last = messages
    openings = _openings(messages, tools)
    if plain:
        before = [{**last, "role": "user"}]
    prompt = "\0".join(map(_turn, before)) + _tools(tools)
    asked = prompt if plain else "\0".join(f"{m['role']}:{normal(m['content'])}{_beside(m)}" for m in before)
    context = "" if plain else " ".join(_tool_texts(before))
    return Keys(
        near=comparable(f"{question} {context}" if context else question),
        prompt=digest64(prompt),
        asked=digest64(asked + _tools(tools)),
        pair=_pair(prompt, last),
        openings=openings,
    )


def _pair(prompt: str, answer: Mapping[str, Any]) -> int:
    return digest64(f"{prompt}\0{exact_key(answer['content'])}{_beside(answer)}")


def _openings(messages: Messages, tools: Sequence[Any] | None) -> tuple[int, ...]:
    answers = [place for place, message in enumerate(messages[:-1]) if message["role"] == "assistant" and place]
    turns = [_turn(message) for message in messages[:-1]] if answers else []
    return tuple(_pair("\0".join(turns[:place]) + _tools(tools), messages[place]) for place in answers)


def _turn(message: Mapping[str, Any]) -> str:
    return f"{message['role']}:{exact_key(message['content'])}{_beside(message)}"


def _beside(message: Mapping[str, Any]) -> str:
    """A message's calls (names and arguments) and its other fields; nothing for a message of text alone."""
    if len(message) == 2:
        return ""
    fields = {name: value for name, value in message.items() if name not in _WITHOUT}
    calls = [_call(call) for call in message.get("tool_calls") or ()]
    return _canonical([calls, fields]) if calls or fields else ""


def _call(call: Any) -> Any:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict):
        return call
    return [function.get("name"), arguments_of(function)]


def arguments_of(function: Mapping[str, Any]) -> Any:
    """The arguments of a call as a value, whether they are given as an object or as its JSON."""
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
    """What calls asked for and tools answered: without it, two questions about other results would be near."""
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
