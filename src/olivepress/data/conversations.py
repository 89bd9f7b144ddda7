"""Conversations of every kind in one form: OpenAI's messages, with roles in the order that chat templates take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Converted", "Problem", "from_alpaca", "from_messages", "from_sharegpt"]

_ROLES = {
    "system": "system", "developer": "system",
    "user": "user", "human": "user", "prompter": "user",
    "assistant": "assistant", "gpt": "assistant", "chatgpt": "assistant", "bot": "assistant", "model": "assistant",
    "tool": "tool", "function": "tool", "observation": "tool", "function_response": "tool",
}  # fmt: skip
_MAX_NESTING = 32


class Problem(str):
    """Why a row is dropped."""

    __slots__ = ()


@dataclass(slots=True, kw_only=True)
class Converted:
    """A row in one form. ``key`` is the question in its own words: neither instructions nor the answer.

    ``labelled``: the answer is a class; ``plain``: there is no question, the text is all; ``changed``: what had to be
    done to the row.
    """

    messages: list[dict[str, Any]]
    key: str
    labelled: bool = False
    plain: bool = False
    tools: list[Any] | None = None
    changed: str | None = None


def from_messages(row: Mapping[str, Any]) -> Converted | Problem:
    """OpenAI's ``messages`` (or the same under ``conversations``), tool calls kept."""
    turns = row.get("messages", row.get("conversations"))
    return _conversation(turns, "role", "content", row.get("tools"))


def from_sharegpt(row: Mapping[str, Any]) -> Converted | Problem:
    """ShareGPT's ``conversations`` of ``from`` and ``value``; ``system`` beside them."""
    turns = row.get("conversations", row.get("messages"))
    system = row.get("system")
    if isinstance(turns, list) and isinstance(system, str) and system.strip():
        turns = [{"from": "system", "value": system}, *turns]
    return _conversation(turns, "from", "value", row.get("tools"))


def from_alpaca(row: Mapping[str, Any], answer_key: str) -> Converted | Problem:
    """Alpaca: instruction, optional input (or context), optional earlier turns in ``history``, optional system."""
    instruction, answer = row.get("instruction"), row.get(answer_key)
    context = next((row[name] for name in ("input", "context") if row.get(name)), "")
    if not isinstance(instruction, str) or not isinstance(answer, str) or not isinstance(context, str):
        return Problem(f"no text in instruction, input or {answer_key}")
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
    return Converted(messages=messages, key=key)


def _is_turn(turn: Any) -> bool:
    return isinstance(turn, (list, tuple)) and len(turn) == 2 and all(isinstance(part, str) for part in turn)


def _conversation(turns: Any, role_key: str, text_key: str, tools: Any) -> Converted | Problem:
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
    key = " ".join(message["content"] for message in messages if message["role"] == "user")
    return Converted(messages=messages, key=key, tools=tools or None)


def _message(turn: Any, role_key: str, text_key: str) -> dict[str, Any] | Problem:
    said = turn.get(role_key) if isinstance(turn, dict) else None
    role = _ROLES.get(said.lower()) if isinstance(said, str) else None
    if role is None:
        return Problem("a message without role or text" if said is None else f"unknown role {str(said)[:40]!r}")
    calls = turn.get("tool_calls") or None
    content = _text(turn.get(text_key), may_be_empty=calls is not None or role == "tool")
    if content is None:
        return Problem("a message without role or text")
    message: dict[str, Any] = {"role": role, "content": content}
    if calls is not None:
        if role != "assistant" or not isinstance(calls, list) or _too_deep(calls):
            return Problem("tool calls that are none")
        message["tool_calls"] = calls
    for extra in ("tool_call_id", "name"):
        if isinstance(turn.get(extra), str):
            message[extra] = turn[extra]
    return message


def _text(content: Any, *, may_be_empty: bool) -> str | None:
    """The text of a message: a string, or OpenAI's list of parts when every part is text."""
    if isinstance(content, list):
        parts = [part.get("text") if isinstance(part, dict) else None for part in content]
        content = "\n".join(part for part in parts if part) if all(isinstance(part, str) for part in parts) else None
    if content is None and may_be_empty:
        return ""
    return content if isinstance(content, str) and (content.strip() or may_be_empty) else None


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
