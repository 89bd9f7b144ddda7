"""Conversations of every kind in one form: OpenAI's messages, with roles in the order that chat templates take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from olivepress.core.thoughts import THOUGHT_FIELDS, THOUGHTS, text_holds_thoughts
from olivepress.data.convert.message_parts import joined_text, own_thoughts, without_thoughts
from olivepress.data.convert.roles import CALL, role_of
from olivepress.data.convert.tool_calls import call_as_text, read_calls, read_tools
from olivepress.data.convert.values import JSON_TEXT, PLACEHOLDER, Problem, as_text, is_placeholder, structured

__all__ = ["Converted", "are_turns", "from_alpaca", "from_messages", "from_sharegpt", "from_turns", "from_xlam"]

_KEPT = ("tool_calls", "tool_call_id", "name")  # of a message, beside its role and text
_WRITE_CALL = "write the call as tool_calls, or as a function_call turn before it"
_SYSTEM_TOOLS = "tools of the system message read as the row's"
_THOUGHTS_TWICE = "thoughts that the text holds too left out"


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
    return _conversation(row, column, "role", "content")


def from_sharegpt(row: Mapping[str, Any]) -> Converted | Problem:
    """ShareGPT's ``conversations`` of ``from`` and ``value``; ``system`` and ``tools`` beside them."""
    column = "conversations" if "conversations" in row else "messages"
    return _conversation(row, column, "from", "value")


def are_turns(value: Any) -> bool:
    """Whether ``value`` is a list of messages, as a prompt or an answer of a conversation may be."""
    roles = ("role", "from")
    return (
        isinstance(value, list) and bool(value) and all(isinstance(t, dict) and any(map(t.get, roles)) for t in value)
    )


def from_turns(row: Mapping[str, Any], turns: list[Any]) -> Converted | Problem:
    """These turns, with the ``system`` and ``tools`` of their row."""
    keys = ("from", "value") if "from" in turns[0] else ("role", "content")
    return _conversation({"turns": turns, "tools": row.get("tools"), "system": row.get("system")}, "turns", *keys)


def from_xlam(row: Mapping[str, Any]) -> Converted | Problem:
    """xLAM's ``query``, ``tools`` and ``answers``: a question, and the calls that answer it."""
    turns = [{"role": "user", "content": row.get("query")}, {"role": "assistant", "tool_calls": row.get("answers")}]
    return _conversation({"turns": turns, "tools": row.get("tools")}, "turns", "role", "content")


def from_alpaca(row: Mapping[str, Any], answer_key: str) -> Converted | Problem:
    """Alpaca: instruction, optional input (or context), optional earlier turns in ``history``, optional system."""
    texts, changes = list[str](), list[str]()
    beside = _context(row, changes)
    if isinstance(beside, Problem):
        return beside
    for column in ("instruction", answer_key, beside):
        read = as_text(row.get(column) if column else "", column)
        if isinstance(read, Problem):
            return read
        texts.append(read[0])
        changes += [read[1]] if read[1] and read[1] not in changes else []
    instruction, answer, context = texts
    messages: list[dict[str, Any]] = []
    system, history = row.get("system"), structured(row.get("history") or [])
    if isinstance(system, str) and system.strip() and not is_placeholder(system):
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


def _context(row: Mapping[str, Any], changes: list[str]) -> str | Problem:
    """Which of Alpaca's columns for it holds the input; "" for none. A placeholder is none."""
    filled = [name for name in ("input", "context") if row.get(name) not in (None, "")]
    texts = [name for name in filled if not is_placeholder(row[name])]
    if len(texts) < len(filled):
        changes.append(PLACEHOLDER)
    if len(texts) == 2:
        return Problem("both input and context hold text, expected one of them")
    return texts[0] if texts else ""


def _is_turn(turn: Any) -> bool:
    return isinstance(turn, (list, tuple)) and len(turn) == 2 and all(isinstance(part, str) for part in turn)


def _conversation(row: Mapping[str, Any], column: str, role_key: str, text_key: str) -> Converted | Problem:
    changes: list[str] = []
    turns = structured(row.get(column))
    if isinstance(turns, str) and turns.lstrip().startswith("["):
        return Problem(f"{column} is text that is not JSON, expected a list of messages")
    if turns is not row.get(column):
        changes.append(JSON_TEXT)
    if not isinstance(turns, list) or len(turns) < 2:
        return Problem("fewer than two messages")
    system = row.get("system")
    first = turns[0].get(text_key) if isinstance(turns[0], dict) else None
    if isinstance(system, str) and system.strip() and not is_placeholder(system) and system != first:
        turns = [{role_key: "system", text_key: system}, *turns]
    tools = _tools(row, turns, role_key, changes)
    if isinstance(tools, Problem):
        return tools
    reader = _Turns(role_key, text_key, tools, changes, unused=set())
    messages: list[dict[str, Any]] = []
    for turn in turns:
        message = reader.message(turn)
        if isinstance(message, Problem):
            return message
        if messages and _continues(messages[-1], message):
            messages[-1] = {**messages[-1], **message, "content": messages[-1]["content"]}
            reader.tell("a text and the call after it read as one message")
        else:
            messages.append(message)
    if problem := _order(messages):
        return problem
    if turns[-1].get("weight") in (0, False) or turns[-1].get("train") is False:
        return Problem("the answer has weight 0: not to be trained on")
    key = " ".join(message["content"] for message in messages if message["role"] == "user")
    unused = frozenset(f"{column}[].{name}" for name in reader.unused)
    return Converted(messages=messages, key=key, tools=tools, unused=unused, changes=changes)


def _tools(
    row: Mapping[str, Any], turns: list[Any], role_key: str, changes: list[str]
) -> list[dict[str, Any]] | Problem | None:
    """The tools beside the turns, or those that the system message holds, as Phi-4-mini's do."""
    tools = read_tools(row.get("tools"), changes)
    first = turns[0] if isinstance(turns[0], dict) and role_of(turns[0].get(role_key)) == "system" else {}
    inside = None if isinstance(tools, Problem) else read_tools(first.get("tools"), changes)
    if inside is None or isinstance(inside, Problem):
        return tools if inside is None else inside
    if tools is not None and tools != inside:
        return Problem("the row and its system message have different tools, expected one list of them")
    changes.append(_SYSTEM_TOOLS)
    return inside


@dataclass(slots=True)
class _Turns:
    """Reads the turns of one conversation; ``changes`` takes what had to be done to them, ``unused`` other fields."""

    role_key: str
    text_key: str
    tools: list[dict[str, Any]] | None
    changes: list[str]
    unused: set[str]

    def message(self, turn: Any) -> dict[str, Any] | Problem:
        """The turn as OpenAI writes it."""
        given = turn.get(self.role_key) if isinstance(turn, dict) else None
        role = role_of(given)
        if role is None:
            return Problem(_unknown_role(given))
        if turn.get("function_call"):
            return Problem("function_call is the old form, expected tool_calls")
        value, calls = turn.get(self.text_key), turn.get("tool_calls") or None
        if role == CALL:
            role, value, calls = "assistant", None, calls or value
        thoughts = own_thoughts(turn, value) if role == "assistant" else ""
        if isinstance(thoughts, Problem):
            return thoughts
        self._note_unused(turn, role)
        content = self._text(
            without_thoughts(value) if thoughts else value, may_be_empty=calls is not None or role == "tool"
        )
        if isinstance(content, Problem):
            return content
        if role == "assistant" and calls is None and self.role_key == "from":
            tagged = self._tagged(content)
            if isinstance(tagged, Problem):
                return tagged
            content, calls = tagged
        if thoughts and text_holds_thoughts(content):
            if thoughts.strip() not in content:
                return Problem("thoughts in a field and other thoughts in the text, expected one of them")
            self.tell(_THOUGHTS_TWICE)
            thoughts = ""
        if thoughts and turn.get(THOUGHTS) != thoughts:
            self.tell(f"thoughts under another name or in parts read as {THOUGHTS}")
        return self._message(role, content, calls, {**turn, THOUGHTS: thoughts})

    def _note_unused(self, turn: dict[str, Any], role: str) -> None:
        read = {self.role_key, self.text_key, *_KEPT}
        read |= set(THOUGHT_FIELDS) if role == "assistant" else set()
        read |= {"tools"} if role == "system" else set()
        self.unused.update(name for name, value in turn.items() if name not in read and value is not None)

    def _message(self, role: str, content: str, calls: Any, turn: dict[str, Any]) -> dict[str, Any] | Problem:
        message: dict[str, Any] = {"role": role, "content": content}
        if turn[THOUGHTS]:
            message[THOUGHTS] = turn[THOUGHTS]
        if calls is not None:
            read = (
                read_calls(calls, self.tools, self.changes)
                if role == "assistant"
                else Problem("tool calls that are not objects")
            )
            if isinstance(read, Problem):
                return read
            message["tool_calls"] = read
        for extra in _KEPT[1:]:
            if isinstance(turn.get(extra), str):
                message[extra] = turn[extra]
        return message

    def _tagged(self, content: str) -> tuple[str, list[Any] | None] | Problem:
        """Calls that ShareGPT's texts hold between tags, where the row says which tools there are."""
        tagged = call_as_text(content)
        if tagged is None:
            return content, None
        if not self.tools:
            return Problem(
                "a tool call within text and no tools beside: write tools, and the call as a function_call turn"
            )
        self.tell("tool calls within text read as tool_calls")
        return tagged

    def _text(self, content: Any, *, may_be_empty: bool) -> str | Problem:
        """The text of a message: a string, a list of parts when every part is text, or what a value is as text."""
        parts = joined_text(content)
        if isinstance(parts, Problem):
            return parts
        if parts is not None:
            return parts if parts.strip() or may_be_empty else Problem("a message without role or text")
        if content is None or content in ([], {}):
            return "" if may_be_empty else Problem("a message without role or text")
        read = as_text(content, "a message")
        if isinstance(read, Problem):
            return read
        if read[1]:
            self.tell(read[1])
        return read[0] if read[0].strip() or may_be_empty else Problem("a message without role or text")

    def tell(self, change: str) -> None:
        """Count the change once for the conversation."""
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
            return Problem(f"roles out of order: tool without a tool call ({_WRITE_CALL})")
        before = role
    return None if before == "assistant" else Problem("the last message is not the assistant's")
