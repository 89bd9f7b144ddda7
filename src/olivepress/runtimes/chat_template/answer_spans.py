"""The places of all assistant answers in a rendered conversation."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from olivepress.core.thoughts import has_thoughts
from olivepress.data.store.examples import Message
from olivepress.runtimes.chat_template.errors import ChatTemplateError
from olivepress.runtimes.chat_template.prompts import (
    RenderedPrompt,
    end_texts,
    plain_conversation,
    question_places,
    render_text,
)
from olivepress.runtimes.chat_template.slots import Marked, answer_start, mark, to_text_position

__all__ = ["answer_spans"]

Tools = Sequence[Mapping[str, Any]] | None
_OTHER = {"role": "assistant", "content": "Wq00000Kj"}  # begins with another letter than a marker


def answer_spans(
    model_dir: Path, messages: Sequence[Message], tools: Tools, rendered: RenderedPrompt
) -> tuple[tuple[int, int], ...]:
    """(start, end) in ``rendered.full`` of every answer and the token that ends it, the last one included.

    An answer starts where its question's generation prompt ends. DataError when a template writes no end token after an
    earlier answer, or changes texts so that they cannot be distinguished from its own.
    """
    last = (len(rendered.prefix), len(rendered.full))
    earlier = [number for number, message in enumerate(messages[:-1]) if message["role"] == "assistant"]
    if not earlier:
        return (last,)
    plain = plain_conversation(model_dir, messages)
    thinking = has_thoughts(plain[-1])
    places = question_places(model_dir, plain[:-1], tools, rendered.prefix, thinking=thinking)
    marked = mark(plain[:-1], tools)
    text = render_text(model_dir, marked.messages, marked.tools, generation_prompt=True, thinking=thinking)
    spans = []
    for number in earlier:
        own = [place.marked for place in places if place.slot.message == number and place.slot.kind != "call id"]
        if own:
            others = (p.marked for p in places if p.slot.message != number and p.slot.kind != "call id")
            start = min(_start(model_dir, marked, text, number, thinking), min(own))
            end = _end(model_dir, text, max(own), min((at for at in others if at > max(own)), default=len(text)))
            spans.append((to_text_position(start, places), to_text_position(end, places)))
    return (*spans, last)


def _start(model_dir: Path, marked: Marked, text: str, number: int, thinking: bool) -> int:
    """Where the answer of message ``number`` starts in the marked rendering ``text``."""
    before = marked.messages[:number]
    until = Marked(messages=marked.messages[: number + 1], tools=marked.tools, slots=marked.slots)
    start = answer_start(render_text(model_dir, before, marked.tools, generation_prompt=True), text, until)
    if start is not None:
        return start
    # The generation prompt has more than an earlier turn (an empty thought): compare with another answer at that place.
    other = [*before, _OTHER, *marked.messages[number + 1 :]]
    with_other = render_text(model_dir, other, marked.tools, generation_prompt=True, thinking=thinking)
    pairs = enumerate(zip(text, with_other, strict=False))
    return next((at for at, (letter, other_letter) in pairs if letter != other_letter), len(text))


def _end(model_dir: Path, text: str, last: int, following: int) -> int:
    """The position after the end token between an answer's last text and the next text of the conversation."""
    ends = "|".join(map(re.escape, sorted(end_texts(model_dir), key=len, reverse=True)))
    match = re.compile(ends).search(text, last, following) if ends else None
    if match is None:
        raise ChatTemplateError(
            "does not end an earlier answer with a token that ends generation",
            model_dir=model_dir,
            next_step="set finetune.train_on: answer, or give the model another chat template",
        )
    return match.end()
