"""Where the answers of a conversation are in its rendering: the last, or every turn of the assistant."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from olivepress.errors import DataError
from olivepress.measure.dataset import Message
from olivepress.measure.prompts import RenderedPrompt, end_texts, plain_conversation, render_text, text_places
from olivepress.measure.template_slots import Marked, has_thoughts, mark, to_text_position

__all__ = ["answer_spans"]

Tools = Sequence[Mapping[str, Any]] | None
_OTHER = {"role": "assistant", "content": "Wq00000Kj"}  # begins with another letter than a marker


def answer_spans(
    model_dir: Path, messages: Sequence[Message], tools: Tools, rendered: RenderedPrompt
) -> tuple[tuple[int, int], ...]:
    """(start, end) in ``rendered.full`` of every answer and the token that ends it, the last one included.

    An answer starts where its question's generation prompt ends. DataError when a template writes no end token behind
    an earlier answer, or changes texts so that they cannot be told from its own.
    """
    last = (len(rendered.prefix), len(rendered.full))
    earlier = [n for n, message in enumerate(messages[:-1]) if message["role"] == "assistant"]
    if not earlier:
        return (last,)
    plain = plain_conversation(model_dir, messages)
    found = text_places(model_dir, plain, tools, rendered.full)
    marked, thinking = mark(plain, tools), has_thoughts(plain[-1])
    text = render_text(model_dir, marked.messages, marked.tools, asks=False, thinking=thinking)
    spans = []
    for number in earlier:
        own = [place.marked for place in found if place.slot.message == number]
        if own:
            start = _start(model_dir, marked, text, number, min(own), thinking)
            end = _end(model_dir, text, max(own))
            spans.append((to_text_position(start, found), to_text_position(end, found)))
    return (*spans, last)


def _start(model_dir: Path, marked: Marked, text: str, number: int, first: int, thinking: bool) -> int:
    """Where the answer of message ``number`` starts in the marked rendering; its first text is at ``first``."""
    before = marked.messages[:number]
    question = render_text(model_dir, before, marked.tools, asks=True)
    if text.startswith(question) and len(question) <= first:
        return len(question)
    # The start may differ (the system text stands in the last question): what follows the last text before it.
    markers = [slot.marker for slot in marked.slots if slot.message == number - 1 and slot.marker in question]
    if markers:
        last = max(markers, key=question.rindex)
        tail = question[question.rindex(last) :]
        at = text.find(last)
        if at >= 0 and text.startswith(tail, at) and at + len(tail) <= first:
            return at + len(tail)
    # The generation prompt holds more than an earlier turn does (an empty thought): what any answer there begins with.
    other = [*before, _OTHER, *marked.messages[number + 1 :]]
    with_other = render_text(model_dir, other, marked.tools, asks=False, thinking=thinking)
    return min(_common(text, with_other), first)


def _common(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    return next((n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _end(model_dir: Path, text: str, last: int) -> int:
    """Behind the end token that follows the marker at ``last``, before the next marker."""
    following = re.search(r"Zq\d{5}Kj", text[last + 1 :])
    until = last + 1 + following.start() if following else len(text)
    ends = "|".join(map(re.escape, sorted(end_texts(model_dir), key=len, reverse=True)))
    match = re.compile(ends).search(text, last, until) if ends else None
    if match is None:
        raise DataError(
            f"{model_dir}: its chat template ends an earlier answer with none of the tokens that end generation",
            next_step="set finetune.train_on: answer, or give the model another chat template",
        )
    return match.end()
