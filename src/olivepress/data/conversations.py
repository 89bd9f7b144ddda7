"""Conversations of every kind in one form: OpenAI's messages, with roles in the order that chat templates take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from olivepress.data.values import Problem, as_text

__all__ = ["Converted", "from_alpaca", "from_messages", "from_sharegpt"]

_ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "function_response": "tool",
}  # fmt: skip
_MAX_NESTING = 32
_KEPT = ("tool_calls", "tool_call_id", "name")  # of a message, beside its role and text


@dataclass(slots=True, kw_only=True)
class Converted:
    """A row in one form. ``key`` is the question in its own words: neither instructions nor the answer.

    ``labelled``: the answer is a class; ``label``: the row's class where the answer is more than it; ``plain``: there
    is no question, the text is all; ``changes``: what had to be done to the row; ``unused``: its fields that are not.
    """

    messages: list[dict[str, Any]]
    key: str
    labelled: bool = False
    label: str | None = None
    plain: bool = False
    tools: list[Any] | None = None
    changes: list[str] = field(default_factory=list)
    unused: frozenset[str] = frozenset()


def from_messages(row: Mapping[str, Any]) -> Converted | Problem:
    """OpenAI's ``messages`` (or the same under ``conversations``), tool calls kept."""
    column = "messages" if "messages" in row else "conversations"
    return _conversation(row.get(column), column, "role", "content", row.get("tools"))


def from_sharegpt(row: Mapping[str, Any]) -> Converted | Problem:
    """ShareGPT's ``conversations`` of ``from`` and ``value``; ``system`` beside them."""
    column = "conversations" if "conversations" in row else "messages"
    turns = row.get(column)
    system = row.get("system")
    if isinstance(turns, list) and isinstance(system, str) and system.strip():
        turns = [{"from": "system", "value": system}, *turns]
    return _conversation(turns, column, "from", "value", row.get("tools"))


def from_alpaca(row: Mapping[str, Any], answer_key: str) -> Converted | Problem:
    """Alpaca: instruction, optional input (or context), optional earlier turns in ``history``, optional system."""
    beside = next((name for name in ("input", "context") if row.get(name) not in (None, "")), "")
    texts, changes = list[str](), list[str]()
    for column in ("instruction", answer_key, beside):
        found = as_text(row.get(column) if column else "", column)
        if isinstance(found, Problem):
            return found
        texts.append(found[0])
        changes += [found[1]] if found[1] else []
    instruction, answer, context = texts
    messages: list[dict[str, Any]] = []
    system, history = row.get("system"), row.get("history") or []
    if isinstance(system, str) and system.strip():
        messages.append({"role": "system", "content": system})
    if not isinstance(history, list) or not all(_is_turn(turn) for turn in history):
        return Problem("history is not a list of [question, answer]")
    for question, reply in history:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
    context = context.strip()
    prompt = f"{instruction.strip()}\n{context}" if context else instruction
    messages += [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    key = " ".join([*(question for question, _ in history), context or instruction])
    return Converted(messages=messages, key=key, changes=changes)


def _is_turn(turn: Any) -> bool:
    return isinstance(turn, (list, tuple)) and len(turn) == 2 and all(isinstance(part, str) for part in turn)


def _conversation(turns: Any, column: str, role_key: str, text_key: str, tools: Any) -> Converted | Problem:
    if not isinstance(turns, list) or len(turns) < 2:
        return Problem("fewer than two messages")
    messages: list[dict[str, Any]] = []
    for turn in turns:
        message = _message(turn, role_key, text_key)
        if isinstance(message, Problem):
            return message
        messages.append(message)
    if problem := _order(messages):
        return problem
    if tools is not None and (not isinstance(tools, list) or _too_deep(tools)):
        return Problem("tools is not a list of objects")
    if turns[-1].get("weight") in (0, False):
        return Problem("the answer has weight 0: not to be trained on")
    key = " ".join(message["content"] for message in messages if message["role"] == "user")
    fields = frozenset(name for turn in turns for name in turn if turn[name] is not None)
    unused = frozenset(f"{column}[].{name}" for name in fields - {role_key, text_key, *_KEPT})
    return Converted(messages=messages, key=key, tools=tools or None, unused=unused)


def _message(turn: Any, role_key: str, text_key: str) -> dict[str, Any] | Problem:
    said = turn.get(role_key) if isinstance(turn, dict) else None
    role = _ROLES.get(said.lower()) if isinstance(said, str) else None
    if role is None:
        return Problem("a message without role or text" if said is None else f"unknown role {str(said)[:40]!r}")
    if turn.get("function_call"):
        return Problem("function_call is the old form, expected tool_calls")
    calls = turn.get("tool_calls") or None
    content = _text(turn.get(text_key), may_be_empty=calls is not None or role == "tool")
    if isinstance(content, Problem):
        return content
    message: dict[str, Any] = {"role": role, "content": content}
    if calls is not None:
        if role != "assistant" or not isinstance(calls, list) or _too_deep(calls):
            return Problem("tool calls that are none")
        if not all(map(_has_arguments, calls)):
            return Problem("arguments of a tool call are not JSON")
        message["tool_calls"] = calls
    for extra in _KEPT[1:]:
        if isinstance(turn.get(extra), str):
            message[extra] = turn[extra]
    return message


def _has_arguments(call: Any) -> bool:
    """Whether the arguments of a tool call, where they are text, are JSON; none at all are none."""
    function = call.get("function") if isinstance(call, dict) else None
    arguments = function.get("arguments") if isinstance(function, dict) else None
    if not isinstance(arguments, str) or not arguments.strip():
        return True
    try:
        json.loads(arguments)
    except (ValueError, RecursionError):
        return False
    return True


def _text(content: Any, *, may_be_empty: bool) -> str | Problem:
    """The text of a message: a string, or OpenAI's list of parts when every part is text."""
    if isinstance(content, list):
        kinds = (part.get("type") for part in content if isinstance(part, dict) and "text" not in part)
        if kind := next((kind for kind in kinds if isinstance(kind, str)), None):
            return Problem(f"a message with a part of type {kind[:40]!r}, only text is read")
        parts = [part.get("text") if isinstance(part, dict) else None for part in content]
        content = "\n".join(part for part in parts if part) if all(isinstance(part, str) for part in parts) else None
    if content is None and may_be_empty:
        return ""
    if isinstance(content, str) and (content.strip() or may_be_empty):
        return content
    return Problem("a message without role or text")


def _order(messages: list[dict[str, Any]]) -> Problem | None:
    """What chat templates refuse: a late system message, two turns of one side, a tool that nobody called."""
    before = ""
    for number, message in enumerate(messages):
        role = message["role"]
        if role == "system" and number:
            return Problem("roles out of order: system after the first message")
        if role == "user" and before == "user":
            return Problem("roles out of order: user after user")
        if role == "assistant" and before not in ("user", "tool"):
            return Problem(f"roles out of order: assistant {'after ' + before if before else 'first'}")
        if (
            role == "tool"
            and before != "tool"
            and not (before == "assistant" and messages[number - 1].get("tool_calls"))
        ):
            return Problem("roles out of order: tool without a tool call")
        before = role
    return None if before == "assistant" else Problem("the last message is not the assistant's")


def _too_deep(value: Any, depth: int = 0) -> bool:
    if depth > _MAX_NESTING:
        return True
    held = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return any(_too_deep(entry, depth + 1) for entry in held)
