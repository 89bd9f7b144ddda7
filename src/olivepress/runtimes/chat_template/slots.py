"""A conversation with a unique marker in place of each of its texts, and the places of the texts in a rendering.

Surrounding white space is not replaced, so that a template trims, prefixes and joins as in the conversation itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from olivepress.core.thoughts import THOUGHT_FIELDS, text_holds_thoughts

__all__ = [
    "MARKER",
    "Kind",
    "Marked",
    "Place",
    "Slot",
    "answer_start",
    "mark",
    "places",
    "to_text_position",
]

Kind = Literal[
    "system text", "question", "answer", "thoughts", "tool call", "argument name", "argument", "call id", "name",
    "tool result", "tool", "tool description", "parameter", "tool detail",
]  # fmt: skip
_BY_ROLE: Mapping[str, Kind] = {"system": "system text", "user": "question", "tool": "tool result"}
_FIXED = ("type", "required", "$ref", "$schema")  # of a tool: templates and JSON Schema look at their values
_DEEPEST = 32
MARKER = re.compile(r"Zq\d{5}Kj")


@dataclass(frozen=True, kw_only=True)
class Slot:
    """One text and its ``marker``; ``message`` is the number of its message, None for the tools."""

    marker: str
    kind: Kind
    message: int | None
    text: str


@dataclass(frozen=True, kw_only=True)
class Marked:
    """A conversation and its tools with markers; ``slots`` are the replaced texts in order."""

    messages: list[dict[str, Any]]
    tools: list[Any] | None
    slots: tuple[Slot, ...]


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a slot is: from ``marked`` in the marked rendering; ``start`` to ``end`` in the real one."""

    slot: Slot
    marked: int
    start: int
    end: int

    def moved(self, marked: int, text: int) -> Place:
        """The same place, shifted by that many characters of the two renderings."""
        return Place(slot=self.slot, marked=self.marked + marked, start=self.start + text, end=self.end + text)


@dataclass(kw_only=True)
class _Markers:
    """Markers of nine letters and digits, as Mistral's templates require of a call's id; one per text or id."""

    slots: list[Slot] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)

    def put(self, text: str, kind: Kind, message: int | None) -> str:
        core = text.strip()
        if not core:
            return text
        marker = f"Zq{len(self.slots):05d}Kj"
        self.slots.append(Slot(marker=marker, kind=kind, message=message, text=core))
        start = text.index(core)
        return text[:start] + marker + text[start + len(core) :]

    def put_id(self, text: str, message: int) -> str:
        """The same marker for the same id: a result repeats the id of its call."""
        if text not in self.ids:
            self.ids[text] = self.put(text, "call id", message)
        return self.ids[text]


def mark(messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None) -> Marked:
    """Markers for every text of the conversation; white space, numbers and the names of fields stay as they are."""
    markers = _Markers()
    marked_tools = [_tool(tool, markers) for tool in tools] if tools else None
    marked = [_message(message, number, markers) for number, message in enumerate(messages)]
    return Marked(messages=marked, tools=marked_tools, slots=tuple(markers.slots))


def _message(message: Mapping[str, Any], number: int, markers: _Markers) -> dict[str, Any]:
    marked = dict(message)
    for name in THOUGHT_FIELDS:
        if isinstance(message.get(name), str):
            marked[name] = markers.put(message[name], "thoughts", number)
    content = message.get("content")
    if isinstance(content, str):
        marked["content"] = _content(content, str(message.get("role")), number, markers)
    if isinstance(message.get("name"), str):
        marked["name"] = markers.put(message["name"], "name", number)
    if isinstance(message.get("tool_calls"), list):
        marked["tool_calls"] = [_call(call, number, markers) for call in message["tool_calls"]]
    if isinstance(message.get("tool_call_id"), str):
        marked["tool_call_id"] = markers.put_id(message["tool_call_id"], number)
    return marked


def _content(content: str, role: str, number: int, markers: _Markers) -> str:
    kind = _BY_ROLE.get(role, "answer")
    before, tag, after = content.rpartition("</think>")
    if kind != "answer" or not text_holds_thoughts(content):
        return markers.put(content, kind, number)
    lead, opening, thoughts = before.rpartition("<think>")
    thoughts = markers.put(thoughts, "thoughts", number)
    return lead + opening + thoughts + tag + markers.put(after, "answer", number)


def _call(call: Any, number: int, markers: _Markers) -> Any:
    if not isinstance(call, dict):
        return call
    marked = dict(call)
    if isinstance(call.get("id"), str):
        marked["id"] = markers.put_id(call["id"], number)
    if isinstance(call.get("function"), dict):
        marked["function"] = _function(call["function"], number, markers)
        return marked
    return _function(marked, number, markers)


def _function(function: Mapping[str, Any], number: int, markers: _Markers) -> dict[str, Any]:
    marked = dict(function)
    if isinstance(function.get("name"), str):
        marked["name"] = markers.put(function["name"], "tool call", number)
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        marked["arguments"] = markers.put(arguments, "argument", number)
    elif isinstance(arguments, dict):
        marked["arguments"] = {
            markers.put(str(name), "argument name", number): _value(value, "argument", number, markers)
            for name, value in arguments.items()
        }
    return marked


def _value(value: Any, kind: Kind, number: int | None, markers: _Markers, depth: int = 0) -> Any:
    """Replace every text below ``value`` except the values that templates inspect."""
    if isinstance(value, str):
        return markers.put(value, kind, number)
    if depth > _DEEPEST:
        return value
    if isinstance(value, dict):
        return _object(value, kind, number, markers, depth + 1)
    if isinstance(value, list):
        return [_value(entry, kind, number, markers, depth + 1) for entry in value]
    return value


def _object(value: Mapping[str, Any], kind: Kind, number: int | None, markers: _Markers, depth: int) -> dict[str, Any]:
    """Names as well: in arguments all, in a schema those of ``properties``; templates inspect the others."""
    if number is not None:
        return {
            markers.put(str(name), "argument name", number): _value(entry, kind, number, markers, depth)
            for name, entry in value.items()
        }
    marked: dict[str, Any] = {}
    for name, entry in value.items():
        if name == "properties" and isinstance(entry, dict):
            marked[name] = {
                markers.put(str(each), "tool detail", None): _value(schema, kind, None, markers, depth + 1)
                for each, schema in entry.items()
            }
        else:
            marked[name] = entry if name in _FIXED else _value(entry, kind, None, markers, depth)
    return marked


def _tool(tool: Any, markers: _Markers) -> Any:
    if not isinstance(tool, dict):
        return tool
    if isinstance(tool.get("function"), dict):
        return {**tool, "function": _tool(tool["function"], markers)}
    marked: dict[str, Any] = {}
    for name, value in tool.items():
        if name == "name" and isinstance(value, str):
            marked[name] = markers.put(value, "tool", None)
        elif name == "description" and isinstance(value, str):
            marked[name] = markers.put(value, "tool description", None)
        elif name == "parameters" and isinstance(value, dict):
            marked[name] = _parameters(value, markers)
        else:
            marked[name] = value if name in _FIXED else _value(value, "tool detail", None, markers)
    return marked


def _parameters(schema: Mapping[str, Any], markers: _Markers) -> dict[str, Any]:
    marked = dict(schema)
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            marked[key] = {
                markers.put(str(name), "parameter", None): _value(entry, "tool detail", None, markers)
                for name, entry in value.items()
            }
        elif key not in _FIXED:
            marked[key] = _value(value, "tool detail", None, markers)
    return marked


def places(marked_text: str, slots: Sequence[Slot], text: str) -> tuple[Place, ...] | None:
    """Where each slot's text is in ``text``, the same conversation rendered with its own texts.

    None when ``text`` is not ``marked_text`` with each marker replaced by its text, unchanged or as JSON: then the
    template inspects texts, and their places cannot be determined.
    """
    by_marker = {slot.marker: slot for slot in slots}
    ordered: list[Place] = []
    at = before = 0
    for match in MARKER.finditer(marked_text):
        slot = by_marker.get(match.group())
        if slot is None:
            continue
        literal = marked_text[before : match.start()]
        if not text.startswith(literal, at):
            return None
        at, before = at + len(literal), match.end()
        following = marked_text[before : before + 1]
        written = next((way for way in _ways(slot.text) if _continues(text, at, way, following)), None)
        if written is None:
            return None
        ordered.append(Place(slot=slot, marked=match.start(), start=at, end=at + len(written)))
        at += len(written)
    return tuple(ordered) if text[at:] == marked_text[before:] else None


def _continues(text: str, at: int, written: str, following: str) -> bool:
    after = text[at + len(written) : at + len(written) + 1]
    return text.startswith(written, at) and (after == following or following == "Z")


def _ways(text: str) -> tuple[str, ...]:
    """A text unchanged, within JSON, and within JSON within JSON (arguments that a template expects as a string)."""
    quoted = json.dumps(text, ensure_ascii=False)[1:-1]
    ascii_only = json.dumps(text)[1:-1]
    twice = (json.dumps(quoted, ensure_ascii=False)[1:-1], json.dumps(ascii_only)[1:-1])
    return tuple(dict.fromkeys((text, quoted, ascii_only, *twice)))


def answer_start(question: str, full: str, marked: Marked) -> int | None:
    """Where the answer begins in the marked rendering ``full``, whose question alone is rendered as ``question``.

    Where ``full`` does not begin with ``question`` (the template inspects the last message), the answer begins after
    the text that follows the question's last slot in both. None when there is no such place.
    """
    if full.startswith(question):
        return len(question)
    before = {slot.marker for slot in marked.slots if slot.message == len(marked.messages) - 2}
    last = max((match for match in MARKER.finditer(question)), key=lambda match: match.start(), default=None)
    if last is None or last.group() not in before:
        return None
    tail = question[last.start() :]
    at = full.find(last.group())
    return at + len(tail) if at >= 0 and full.startswith(tail, at) else None


def to_text_position(position: int, ordered: Sequence[Place]) -> int:
    """The position in the real rendering of a position between the markers of the marked one."""
    shift = 0
    for place in ordered:
        if place.marked >= position:
            break
        shift += (place.end - place.start) - len(place.slot.marker)
    return position + shift
