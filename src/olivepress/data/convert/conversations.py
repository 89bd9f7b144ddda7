"""Conversations of every format as OpenAI's messages, with roles in the order that chat templates accept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from olivepress.core.thoughts import THOUGHT_FIELDS, THOUGHTS, text_holds_thoughts
from olivepress.data.convert.message_parts import joined_text, own_thoughts, without_thoughts
from olivepress.data.convert.roles import CALL, role_of
from olivepress.data.convert.tool_calls import call_as_text, read_calls, read_tools
from olivepress.data.text.values import JSON_TEXT, PLACEHOLDER, RowError, as_text, is_placeholder, structured

__all__ = ["Converted", "are_turns", "from_alpaca", "from_messages", "from_sharegpt", "from_turns", "from_xlam"]

_KEPT = ("tool_calls", "tool_call_id", "name")  # of a message, beside its role and text
_WRITE_CALL = "write the call as tool_calls, or as a function_call turn before it"
_SYSTEM_TOOLS = "tools of the system message read as the row's"
_THOUGHTS_TWICE = "thoughts left out that the text contains too"


@dataclass(slots=True, kw_only=True)
class Converted:
    """A row as a conversation. ``key`` is the question alone, without instructions and the answer.

    ``labeled``: the answer is a class; ``label``: the row's class if the answer is more than that; ``plain``: there is
    no question, only text; ``changes``: what had to be changed in the row; ``unused``: fields that are not used.
    ``rejected``: of a pair, the answer that the last message is preferred to.
    """

    messages: list[dict[str, Any]]
    key: str
    labeled: bool = False
    label: str | None = None
    plain: bool = False
    tools: list[Any] | None = None
    changes: list[str] = field(default_factory=list)
    unused: frozenset[str] = frozenset()
    rejected: dict[str, Any] | None = None


def from_messages(row: Mapping[str, Any]) -> Converted:
    """OpenAI's ``messages`` (or the same under ``conversations``), tool calls kept."""
    column = "messages" if "messages" in row else "conversations"
    return _conversation(row, column, "role", "content")


def from_sharegpt(row: Mapping[str, Any]) -> Converted:
    """ShareGPT's ``conversations`` of ``from`` and ``value``; ``system`` and ``tools`` beside them."""
    column = "conversations" if "conversations" in row else "messages"
    return _conversation(row, column, "from", "value")


def are_turns(value: Any) -> bool:
    """Whether ``value`` is a list of messages, as a prompt or an answer of a conversation may be."""
    roles = ("role", "from")
    return (
        isinstance(value, list) and bool(value) and all(isinstance(t, dict) and any(map(t.get, roles)) for t in value)
    )


def from_turns(row: Mapping[str, Any], turns: list[Any]) -> Converted:
    """A conversation of these turns, with the ``system`` and ``tools`` of their row."""
    keys = ("from", "value") if "from" in turns[0] else ("role", "content")
    return _conversation({"turns": turns, "tools": row.get("tools"), "system": row.get("system")}, "turns", *keys)


def from_xlam(row: Mapping[str, Any]) -> Converted:
    """xLAM's ``query``, ``tools`` and ``answers``: a question, and the calls that answer it."""
    turns = [{"role": "user", "content": row.get("query")}, {"role": "assistant", "tool_calls": row.get("answers")}]
    return _conversation({"turns": turns, "tools": row.get("tools")}, "turns", "role", "content")


def from_alpaca(row: Mapping[str, Any], answer_key: str) -> Converted:
    """Alpaca: instruction, optional input (or context), optional earlier turns in ``history``, optional system."""
    texts, changes = list[str](), list[str]()
    for column in ("instruction", answer_key, _context_column(row, changes)):
        text, change = as_text(row.get(column) if column else "", column)
        texts.append(text)
        if change and change not in changes:
            changes.append(change)
    instruction, answer, context = texts
    messages: list[dict[str, Any]] = []
    system, history = row.get("system"), structured(row.get("history") or [])
    if isinstance(system, str) and system.strip() and not is_placeholder(system):
        messages.append({"role": "system", "content": system})
    if not isinstance(history, list) or not all(_is_turn(turn) for turn in history):
        raise RowError("history is not a list of [question, answer]")
    for question, reply in history:
        messages += [{"role": "user", "content": question}, {"role": "assistant", "content": reply}]
    context = context.strip()
    prompt = f"{instruction.strip()}\n{context}" if context else instruction
    messages += [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
    key = " ".join([*(question for question, _ in history), context or instruction])
    return Converted(messages=messages, key=key, changes=changes)


def _context_column(row: Mapping[str, Any], changes: list[str]) -> str:
    """The column that holds Alpaca's input; "" for none. A placeholder does not count."""
    filled = [name for name in ("input", "context") if row.get(name) not in (None, "")]
    texts = [name for name in filled if not is_placeholder(row[name])]
    if len(texts) < len(filled):
        changes.append(PLACEHOLDER)
    if len(texts) == 2:
        raise RowError("both input and context contain text, expected one of them")
    return next(iter(texts), "")


def _is_turn(turn: Any) -> bool:
    return isinstance(turn, (list, tuple)) and len(turn) == 2 and all(isinstance(part, str) for part in turn)


def _conversation(row: Mapping[str, Any], column: str, role_key: str, text_key: str) -> Converted:
    changes: list[str] = []
    turns = structured(row.get(column))
    if isinstance(turns, str) and turns.lstrip().startswith("["):
        raise RowError(f"{column} is text that is not JSON, expected a list of messages")
    if turns is not row.get(column):
        changes.append(JSON_TEXT)
    if not isinstance(turns, list) or len(turns) < 2:
        raise RowError("fewer than two messages")
    system = row.get("system")
    first = turns[0].get(text_key) if isinstance(turns[0], dict) else None
    if isinstance(system, str) and system.strip() and not is_placeholder(system) and system != first:
        turns = [{role_key: "system", text_key: system}, *turns]
    tools = _tools(row, turns, role_key, changes)
    reader = _Turns(role_key, text_key, tools, changes, unused=set())
    messages: list[dict[str, Any]] = []
    for turn in turns:
        message = reader.message(turn)
        if messages and _continues(messages[-1], message):
            messages[-1] = {**messages[-1], **message, "content": messages[-1]["content"]}
            reader.note("a text and the call after it read as one message")
        else:
            messages.append(message)
    _check_order(messages)
    if turns[-1].get("weight") in (0, False) or turns[-1].get("train") is False:
        raise RowError("the answer has weight 0: not to be trained on")
    key = " ".join(message["content"] for message in messages if message["role"] == "user")
    unused = frozenset(f"{column}[].{name}" for name in reader.unused)
    return Converted(messages=messages, key=key, tools=tools, unused=unused, changes=changes)


def _tools(row: Mapping[str, Any], turns: list[Any], role_key: str, changes: list[str]) -> list[dict[str, Any]] | None:
    """The tools of the row, or those in the system message, as Phi-4-mini's format has them."""
    tools = read_tools(row.get("tools"), changes)
    first = turns[0] if isinstance(turns[0], dict) and role_of(turns[0].get(role_key)) == "system" else {}
    in_system = read_tools(first.get("tools"), changes)
    if in_system is None:
        return tools
    if tools is not None and tools != in_system:
        raise RowError("the row and its system message have different tools, expected one list of them")
    changes.append(_SYSTEM_TOOLS)
    return in_system


@dataclass(slots=True)
class _Turns:
    """Reads the turns of one conversation; ``changes`` collects what had to be changed, ``unused`` fields."""

    role_key: str
    text_key: str
    tools: list[dict[str, Any]] | None
    changes: list[str]
    unused: set[str]

    def message(self, turn: Any) -> dict[str, Any]:
        """The turn in OpenAI's format. Raises RowError."""
        given = turn.get(self.role_key) if isinstance(turn, dict) else None
        role = role_of(given)
        if role is None:
            raise RowError(_unknown_role(given))
        if turn.get("function_call"):
            raise RowError("function_call is the old form, expected tool_calls")
        value, calls = turn.get(self.text_key), turn.get("tool_calls") or None
        if role == CALL:
            role, value, calls = "assistant", None, calls or value
        thoughts = own_thoughts(turn, value) if role == "assistant" else ""
        self._note_unused(turn, role)
        if thoughts:
            value = without_thoughts(value)
        content = self._text(value, may_be_empty=calls is not None or role == "tool")
        if role == "assistant" and calls is None and self.role_key == "from":
            content, calls = self._tagged(content)
        if thoughts and text_holds_thoughts(content):
            if thoughts.strip() not in content:
                raise RowError("thoughts in a field and other thoughts in the text, expected one of them")
            self.note(_THOUGHTS_TWICE)
            thoughts = ""
        if thoughts and turn.get(THOUGHTS) != thoughts:
            self.note(f"thoughts under another name or in parts read as {THOUGHTS}")
        return self._message(role, content, calls, {**turn, THOUGHTS: thoughts})

    def _note_unused(self, turn: dict[str, Any], role: str) -> None:
        read = {self.role_key, self.text_key, *_KEPT}
        read |= set(THOUGHT_FIELDS) if role == "assistant" else set()
        read |= {"tools"} if role == "system" else set()
        self.unused.update(name for name, value in turn.items() if name not in read and value is not None)

    def _message(self, role: str, content: str, calls: Any, turn: dict[str, Any]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": role, "content": content}
        if turn[THOUGHTS]:
            message[THOUGHTS] = turn[THOUGHTS]
        if calls is not None:
            if role != "assistant":
                raise RowError("tool calls that are not objects")
            message["tool_calls"] = read_calls(calls, self.tools, self.changes)
        for extra in _KEPT[1:]:
            if isinstance(turn.get(extra), str):
                message[extra] = turn[extra]
        return message

    def _tagged(self, content: str) -> tuple[str, list[Any] | None]:
        """Calls between tags in a text of ShareGPT, if the row declares its tools."""
        tagged = call_as_text(content)
        if tagged is None:
            return content, None
        if not self.tools:
            raise RowError(
                "a tool call within text and no tools beside: write tools, and the call as a function_call turn"
            )
        self.note("tool calls within text read as tool_calls")
        return tagged

    def _text(self, content: Any, *, may_be_empty: bool) -> str:
        """The text of a message: a string, a list of parts if every part is text, or a value as text."""
        text = joined_text(content)
        if text is None and content not in (None, [], {}):
            text, change = as_text(content, "a message")
            if change:
                self.note(change)
        text = text or ""
        if not text.strip() and not may_be_empty:
            raise RowError("a message without role or text")
        return text

    def note(self, change: str) -> None:
        """Note a change, once per conversation."""
        if change not in self.changes:
            self.changes.append(change)


def _continues(before: dict[str, Any], message: dict[str, Any]) -> bool:
    """Whether a turn holds only the calls that belong to the assistant's text before it, as ShareGPT's do."""
    both = before["role"] == message["role"] == "assistant"
    return both and "tool_calls" in message and not message["content"] and "tool_calls" not in before


def _unknown_role(given: Any) -> str:
    if given is None:
        return "a message without role or text"
    return f"unknown role {str(given)[:40]!r}"


def _check_order(messages: list[dict[str, Any]]) -> None:
    """Raise RowError for what chat templates refuse: a late system message, two turns of one side, a stray tool."""
    before = ""
    for number, message in enumerate(messages):
        role = message["role"]
        if role == "system" and number:
            raise RowError("roles out of order: system after the first message")
        if role == "user" and before == "user":
            raise RowError("roles out of order: user after user")
        if role == "assistant" and before not in ("user", "tool"):
            raise RowError(f"roles out of order: assistant {f'after {before}' if before else 'first'}")
        is_answered = before == "tool" or (before == "assistant" and messages[number - 1].get("tool_calls"))
        if role == "tool" and not is_answered:
            raise RowError(f"roles out of order: tool without a tool call ({_WRITE_CALL})")
        before = role
    if before != "assistant":
        raise RowError("the last message is not the assistant's")
