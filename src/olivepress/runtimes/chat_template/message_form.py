"""Messages in the form that a chat template prints correctly: templates differ in the form of a tool call.

OpenAI's API has a call's arguments as a JSON string. Most templates expect an object, which they write as JSON; a
string would be quoted once more. Some (DeepSeek's) concatenate a string, and print calls only for a message whose
content is None.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from olivepress.core.errors import DataError
from olivepress.core.thoughts import THOUGHT_FIELDS, THOUGHTS, thoughts_under
from olivepress.runtimes.chat_template.slots import Marked, mark

__all__ = [
    "FORMS",
    "Form",
    "Render",
    "argument_problem",
    "form_of",
    "in_form",
    "plain_messages",
    "with_tools",
    "without_ends",
]

Messages = Sequence[Mapping[str, Any]]
Tools = Sequence[Any] | None
Render = Callable[[Messages, Sequence[Any] | None], str]
_PROBE_TOOL = {
    "type": "function",
    "function": {
        "name": "tool",
        "description": "a tool",
        "parameters": {"type": "object", "properties": {"key": {"type": "string", "description": "a key"}}},
    },
}


@dataclass(frozen=True, kw_only=True)
class Form:
    """The form of a conversation: type of call arguments, value of an empty content next to calls, field of thoughts.

    ``tools`` are next to the messages, or as JSON in the system message (Phi-4-mini).
    """

    arguments: Literal["object", "string"] = "object"
    empty: Literal["text", "none"] = "text"
    thoughts: str = THOUGHTS
    tools: Literal["separate", "system"] = "separate"


FORMS = (Form(), Form(empty="none"), Form(arguments="string"), Form(arguments="string", empty="none"))


def plain_messages(messages: Messages) -> list[dict[str, Any]]:
    """The messages with call arguments as objects where they are JSON text of one, and thoughts under one name."""
    return [_with_calls(thoughts_under(message, THOUGHTS), _as_object) for message in messages]


def in_form(messages: Messages, form: Form) -> list[dict[str, Any]]:
    """Plain messages in the form ``form``."""
    given = [_with_calls(message, _as_string if form.arguments == "string" else dict) for message in messages]
    for message in given:
        if message.get("tool_calls") and form.empty == "none" and not message.get("content"):
            message["content"] = None
    return [thoughts_under(message, form.thoughts) for message in given]


def with_tools(messages: list[dict[str, Any]], tools: Tools, form: Form) -> tuple[list[dict[str, Any]], Tools]:
    """Messages and tools in the form ``form``. A system message gets only the functions, as its models know them."""
    if not tools or form.tools == "separate":
        return messages, tools
    functions = [tool.get("function", tool) if isinstance(tool, Mapping) else tool for tool in tools]
    has_system = bool(messages) and messages[0].get("role") == "system"
    system = messages[0] if has_system else {"role": "system", "content": ""}
    rest = messages[1:] if has_system else messages
    return [{**system, "tools": json.dumps(functions, ensure_ascii=False)}, *rest], None


def _with_calls(message: Mapping[str, Any], change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    changed, calls = dict(message), message.get("tool_calls")
    if not isinstance(calls, list | tuple):
        return changed
    changed["tool_calls"] = [_call(call, change) for call in calls]
    return changed


def _call(call: Any, change: Callable[[Mapping[str, Any]], dict[str, Any]]) -> Any:
    if not isinstance(call, dict):
        return call
    if isinstance(call.get("function"), dict):
        return {**call, "function": change(call["function"])}
    return change(call)


def _as_object(function: Mapping[str, Any]) -> dict[str, Any]:
    arguments = function.get("arguments")
    if arguments is None or (isinstance(arguments, str) and not arguments.strip()):
        return {**function, "arguments": {}}
    if not isinstance(arguments, str):
        return dict(function)
    try:
        parsed = json.loads(arguments)
    except (ValueError, RecursionError):
        return dict(function)
    return {**function, "arguments": parsed if isinstance(parsed, dict) else arguments}


def _as_string(function: Mapping[str, Any]) -> dict[str, Any]:
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        return dict(function)
    return {**function, "arguments": json.dumps(arguments, ensure_ascii=False)}


def without_ends(messages: Messages, ends: Iterable[str]) -> list[dict[str, Any]]:
    """The messages without end tokens at the end of scraped answers: the template writes its own."""
    texts = "|".join(re.escape(text) for text in sorted(ends, key=len, reverse=True) if text)
    if not texts:
        return [dict(message) for message in messages]
    trailing = re.compile(rf"(?:\s*(?:{texts}))+\s*\Z")
    return [
        {**message, "content": trailing.sub("", message["content"])}
        if message.get("role") == "assistant" and isinstance(message.get("content"), str)
        else dict(message)
        for message in messages
    ]


def form_of(render: Render) -> Form:
    """The first form in which ``render`` prints a call's name and arguments correctly; the default form if none."""
    call = {"id": "Callid123", "type": "function", "function": {"name": "tool", "arguments": {"key": "value"}}}
    probe: list[dict[str, Any]] = [
        {"role": "user", "content": "question"},
        {"role": "assistant", "content": "", "tool_calls": [call]},
    ]
    marked = mark(probe, [_PROBE_TOOL])
    form = next((form for form in FORMS if _prints(render, marked, form)), FORMS[0])
    return replace(form, thoughts=_thoughts_name(render), tools=_place_of_tools(render))


def _thoughts_name(render: Render) -> str:
    """The field whose thoughts ``render`` prints; the default one if none."""
    question, answer = {"role": "user", "content": "question"}, {"role": "assistant", "content": "answer"}
    for name in THOUGHT_FIELDS:
        marked = mark([question, {**answer, name: "thought"}], None)
        [thought] = (slot.marker for slot in marked.slots if slot.kind == "thoughts")
        if thought in _text(render, marked.messages, None):
            return name
    return THOUGHTS


def _place_of_tools(render: Render) -> Literal["separate", "system"]:
    marked = mark([{"role": "system", "content": "system"}, {"role": "user", "content": "question"}], [_PROBE_TOOL])
    name = next(slot.marker for slot in marked.slots if slot.kind == "tool")
    if name in _text(render, marked.messages, marked.tools):
        return "separate"
    messages, _ = with_tools(marked.messages, marked.tools, Form(tools="system"))
    return "system" if name in _text(render, messages, None) else "separate"


def _text(render: Render, messages: Messages, tools: Tools) -> str:
    """The rendered text; "" where the template rejects the messages."""
    try:
        return render(messages, tools)
    except DataError:
        return ""


def _prints(render: Render, marked: Marked, form: Form) -> bool:
    try:
        text = render(in_form(marked.messages, form), marked.tools)
    except DataError:
        return False
    needed = ("tool call", "argument name", "argument")
    lost = [slot for slot in marked.slots if slot.kind in needed and slot.marker not in text]
    return not lost and argument_problem(text, marked) is None


def argument_problem(text: str, marked: Marked) -> str | None:
    """How the arguments of calls are printed incorrectly in ``text``: quoted twice or as Python; None if correctly."""
    for slot in marked.slots:
        if slot.kind not in ("argument name", "argument"):
            continue
        for match in re.finditer(re.escape(slot.marker), text):
            before = text[max(match.start() - 2, 0) : match.start()]
            if before.endswith('\\"'):
                return "quotes the arguments of tool calls, as if they were a text"
            if before in ("{'", " '") and text[match.end() : match.end() + 2] in ("':", "',", "'}"):
                return "prints the arguments of tool calls as Python writes them, not as JSON"
    return None
