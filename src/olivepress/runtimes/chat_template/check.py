"""Checks that the chat template prints every text of the rows exactly once and in its place.

Each row is rendered with a marker in place of every text (``slots``): the markers show what a template omits, prints
twice, quotes, or puts on the wrong side of the question's end. Rows of the same shape (roles, parts of each message,
types of arguments) are rendered once.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.core.errors import DataError
from olivepress.core.thoughts import THOUGHTS, has_thoughts, text_holds_thoughts
from olivepress.data.store.examples import Example
from olivepress.runtimes.chat_template.control_token_check import (
    control_token_notes,
    first_ids,
    unplaced_control_tokens,
)
from olivepress.runtimes.chat_template.control_tokens import without_control_tokens
from olivepress.runtimes.chat_template.errors import ChatTemplateError
from olivepress.runtimes.chat_template.files import chat_template
from olivepress.runtimes.chat_template.message_form import argument_problem
from olivepress.runtimes.chat_template.prompts import plain_conversation, render_prompt, render_text, text_places
from olivepress.runtimes.chat_template.slots import MARKER, Kind, Marked, Slot, answer_start, mark
from olivepress.runtimes.chat_template.tokenizer_files import beginning_token, control_pattern, special_tokens_map

__all__ = ["TemplateReport", "check_rows"]

_PLURAL: Mapping[Kind, str] = {
    "system text": "system texts", "question": "questions", "answer": "answers", "thoughts": "thoughts",
    "tool call": "tool calls", "argument name": "arguments of tool calls", "argument": "arguments of tool calls",
    "tool result": "tool results", "tool": "tools", "tool description": "descriptions of tools",
    "parameter": "parameters of tools",
}  # fmt: skip
_OWN_WORDS = 4  # in text before a question, from which on it is more than names of roles
# Templates may omit ids and names of messages, and render the schema of a parameter as they like.
_MAY_BE_LEFT_OUT = ("call id", "name", "tool detail")
_MAY_BE_REPEATED = (*_MAY_BE_LEFT_OUT, "tool", "tool call", "parameter", "tool description")
_LOST_WITH: Mapping[str, str] = {
    "arguments of tool calls": "tool calls",
    "descriptions of tools": "tools",
    "parameters of tools": "tools",
}


@dataclass(frozen=True, kw_only=True)
class TemplateReport:
    """``errors``: what would be trained incorrectly or not at all. ``notes``: what users should know. One line each."""

    errors: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, order=True)
class _Problem:
    """What the template does with a conversation; ``what``: the affected parts; ``note``: permitted, only reported."""

    verb: str
    what: str = ""
    note: bool = False


def check_rows(model_dir: Path, rows: Sequence[Example]) -> TemplateReport:
    """Check the rows with the chat template in ``model_dir``, or without one."""
    shapes: dict[tuple[Any, ...], list[Example]] = {}
    for row in rows:
        shapes.setdefault(_shape(plain_conversation(model_dir, row.messages), row.tools), []).append(row)
    by_problem: dict[_Problem, list[str]] = {}
    for same in shapes.values():
        for problem in _problems(model_dir, same[0]):
            by_problem.setdefault(problem, []).extend(row.id for row in same)
    notes = [*_notes(model_dir, shapes.values()), *control_token_notes(model_dir, rows)]
    errors = list[str]()
    for problem, ids in sorted(by_problem.items()):
        (notes if problem.note else errors).append(_line(model_dir, rows, problem, ids))
    if not errors:
        errors += unplaced_control_tokens(model_dir, rows)
    return TemplateReport(errors=tuple(errors), notes=tuple(notes))


def _notes(model_dir: Path, shapes: Iterable[Sequence[Example]]) -> Iterator[str]:
    """Notes on text that the template adds, from the first rows without a system text and tools."""
    plain = next((rows[0] for rows in shapes if not rows[0].tools and rows[0].messages[0]["role"] == "user"), None)
    if plain is None or chat_template(model_dir) is None:
        return
    marked = mark(plain_conversation(model_dir, plain.messages[:1]), None)
    try:
        text = render_text(model_dir, marked.messages, None, generation_prompt=True)
    except DataError:
        return  # reported as an error of the rows
    bos = beginning_token(model_dir)
    if bos and not text.startswith(bos):
        yield f"the chat template of {model_dir} writes no {bos}, which the tokenizer adds to other texts"
    own = without_control_tokens(control_pattern(model_dir), MARKER.split(text)[0], 0, ())
    if len(re.findall(r"[^\W\d_]{2,}", own)) >= _OWN_WORDS:
        shown = " ".join(own.split())[:80]
        yield f"the chat template of {model_dir} adds a text of its own before questions without a system text: {shown}"


def _line(model_dir: Path, rows: Sequence[Example], problem: _Problem, ids: Sequence[str]) -> str:
    whose = f"the chat template of {model_dir}"
    if chat_template(model_dir, with_tools=any(row.tools for row in rows)) is None:
        whose = f"{model_dir} has no chat template; plain text"
    has = ""
    if problem.what:
        has = " have them" if problem.what.endswith("s") else " have it"
    return f"{whose} {problem.verb}: {len(ids)} of {len(rows)} rows{has} ({first_ids(ids)})"


def _shape(messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None) -> tuple[Any, ...]:
    """What a template can distinguish two conversations by without inspecting their texts."""
    kinds = tuple(sorted({_tool_shape(tool) for tool in tools or ()}))
    return (kinds, *(_message_shape(message) for message in messages))


def _message_shape(message: Mapping[str, Any]) -> tuple[Any, ...]:
    calls = message.get("tool_calls")
    listed = calls if isinstance(calls, list | tuple) else ()
    content = str(message.get("content") or "")
    tag = ("</think>" in content, text_holds_thoughts(content), bool(message.get(THOUGHTS)))
    ids = _id_shape(message.get("tool_call_id"))
    return (message["role"], bool(content.strip()), tag, "name" in message, ids, tuple(map(_call_shape, listed)))


def _id_shape(given: Any) -> tuple[int, bool] | None:
    """What a template may inspect of a call's id: its length, and whether it consists of letters and digits."""
    return (len(given), given.isascii() and given.isalnum()) if isinstance(given, str) else None


def _call_shape(call: Any) -> tuple[Any, ...]:
    function = call.get("function", call) if isinstance(call, dict) else None
    arguments = function.get("arguments") if isinstance(function, dict) else None
    if isinstance(arguments, str):
        return ("text", arguments.strip()[:2])
    values = arguments.values() if isinstance(arguments, dict) else ()
    return (_id_shape(call.get("id")), *sorted({type(value).__name__ for value in values}))


def _tool_shape(tool: Any) -> tuple[str, ...]:
    function = tool.get("function", tool) if isinstance(tool, dict) else None
    if not isinstance(function, dict):
        return ()
    parameters = function.get("parameters")
    return (*sorted(map(str, function)), *sorted(map(str, parameters if isinstance(parameters, dict) else ())))


def _problems(model_dir: Path, row: Example) -> Iterator[_Problem]:
    """The problems of one row."""
    plain = plain_conversation(model_dir, row.messages)
    if not str(plain[-1]["content"]).strip() and not plain[-1].get("tool_calls"):
        yield _Problem(verb="gets nothing to train on, the answer is empty or only an end token")
        return
    marked, thinking = mark(plain, row.tools), has_thoughts(plain[-1])
    try:
        prefix = render_text(model_dir, marked.messages[:-1], marked.tools, generation_prompt=True, thinking=thinking)
        full = render_text(model_dir, marked.messages, marked.tools, generation_prompt=False, thinking=thinking)
    except DataError as error:
        yield _refusal(error)
        return
    start = answer_start(prefix, full, marked)
    if start is None:
        lost = [problem for problem in _lost(marked, full) if not problem.note]
        yield from lost or [
            _Problem(verb=f"ends the question with {_own_ending(prefix, full)}, which no answer follows")
        ]
        return
    completion = full[start:]
    yield from _lost(marked, prefix + completion)
    yield from _misplaced(marked, prefix, completion)
    if problem := argument_problem(prefix + completion, marked):
        yield _Problem(verb=problem)
    if prefix.startswith(_twice(model_dir)):
        yield _Problem(verb="begins with the BOS token twice")
    yield from _own_texts(model_dir, row)


def _own_texts(model_dir: Path, row: Example) -> Iterator[_Problem]:
    """What a template rejects, or renders differently, because of the texts or ids that the markers replaced."""
    plain = plain_conversation(model_dir, row.messages)
    contents = [str(message["content"]) for message in plain]
    try:
        rendered = render_prompt(model_dir, row.messages, row.tools)
        # A template that removes thoughts may mistake an ordinary text that contains their tag for thoughts.
        if any("</think>" in content and not text_holds_thoughts(content) for content in contents):
            text_places(model_dir, plain, row.tools, rendered.prefix, rendered.completion)
    except DataError as error:
        yield _refusal(error)


def _own_ending(prefix: str, full: str) -> str:
    """The end of the question from where it differs from the conversation, without markers."""
    pairs = enumerate(zip(prefix, full, strict=False))
    at = next((at for at, (letter, other) in pairs if letter != other), min(len(prefix), len(full)))
    return repr(MARKER.sub("…", prefix[at:])[:60])


def _refusal(error: DataError) -> _Problem:
    reason = error.reason if isinstance(error, ChatTemplateError) else error.message
    return _Problem(verb=f"cannot render the rows ({reason})")


def _twice(model_dir: Path) -> str:
    return 2 * special_tokens_map(model_dir).get("bos_token", "") or "\0"


def _lost(marked: Marked, text: str) -> Iterator[_Problem]:
    last = len(marked.messages) - 1
    lost: dict[tuple[str, bool], None] = {}
    for slot in marked.slots:
        if slot.kind in _MAY_BE_LEFT_OUT or slot.marker in text:
            continue
        lost[_part(marked, slot, last), slot.kind == "thoughts" and slot.message != last] = None
    names = {what for what, _ in lost}
    for what, note in lost:
        if _LOST_WITH.get(what) not in names:
            yield _Problem(verb=f"prints no {what}", what=what, note=note)


def _part(marked: Marked, slot: Slot, last: int) -> str:
    if slot.kind == "thoughts":
        return "thoughts of answers" if slot.message == last else "thoughts of earlier answers"
    if slot.kind == "answer" and slot.message is not None:
        if marked.messages[slot.message].get("tool_calls"):
            return "texts next to tool calls"
        return "answers" if slot.message == last else "earlier answers"
    return _PLURAL.get(slot.kind, slot.kind)


def _misplaced(marked: Marked, prefix: str, completion: str) -> Iterator[_Problem]:
    """Texts that are printed twice, on the wrong side of the question's end, or out of order."""
    last, problems, at, text = len(marked.messages) - 1, dict[_Problem, None](), -1, prefix + completion
    for slot in marked.slots:
        count, what = text.count(slot.marker), _part(marked, slot, last)
        if count == 0 or slot.kind in _MAY_BE_LEFT_OUT:
            continue
        if count > 1 and slot.kind not in _MAY_BE_REPEATED:
            problems[_Problem(verb=f"prints {what} {count} times", what=what)] = None
        elif slot.message == last and slot.marker not in completion:
            problems[_Problem(verb=f"prints {what} before the answer begins, where they are not trained on")] = None
        elif slot.message != last and slot.marker not in prefix:
            problems[_Problem(verb=f"prints {what} within the answer, where they are trained on", what=what)] = None
        if slot.kind in ("question", "answer", "tool result"):
            place = text.index(slot.marker)
            if place < at:
                problems[_Problem(verb=f"prints {what} out of their order", what=what)] = None
            at = place
    yield from problems
