"""Control tokens that are texts of a row: an end token left in a scraped answer, chat markup quoted in a question.

A tokenizer cannot know who wrote ``<|im_end|>``. Split after its first character and tokenized in two parts, it is text
for every tokenizer, Hugging Face's and the device's alike, with the same tokens in training and at inference.
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from olivepress.runtimes.chat_template.slots import Place, mark

__all__ = ["control_cuts", "holds_control_tokens", "without_control_tokens"]

Pattern = re.Pattern[str] | None


def holds_control_tokens(pattern: Pattern, messages: Sequence[Mapping[str, Any]], tools: Sequence[Any] | None) -> bool:
    """Whether a text of the conversation contains what the tokenizer would read as a control token."""
    return pattern is not None and any(pattern.search(slot.text) for slot in mark(messages, tools).slots)


def control_cuts(pattern: Pattern, text: str, places: Sequence[Place]) -> tuple[int, ...]:
    """Positions in ``text`` after the first character of every control token within one of the places."""
    if pattern is None:
        return ()
    return tuple(
        place.start + match.start() + 1 for place in places for match in pattern.finditer(text[place.start : place.end])
    )


def without_control_tokens(pattern: Pattern, full: str, start: int, cuts: Sequence[int]) -> str:
    """``full[start:]`` as a decoder prints it without special tokens; tokens that are split by ``cuts`` remain."""
    return full[start:] if pattern is None else "".join(_between(pattern, full, start, set(cuts)))


def _between(pattern: re.Pattern[str], full: str, start: int, cuts: Container[int]) -> Iterator[str]:
    at = start
    for match in pattern.finditer(full, start):
        if match.start() + 1 not in cuts:
            yield full[at : match.start()]
            at = match.end()
    yield full[at:]
