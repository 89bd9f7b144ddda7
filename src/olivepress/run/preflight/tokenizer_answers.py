"""A runtime's tokenizer compared with Hugging Face's: the first difference, in words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from olivepress.core.errors import SetupError
from olivepress.run.preflight.tokenizer_questions import Dialogue, Questions, Text
from olivepress.runtimes.runtime_tokenizer import TokenizerReading

__all__ = ["TokenizerCheck", "answer_notes", "check_answers", "hint"]

_NEAR = 4  # tokens around the first one that differs
_SHOWN = 60
_SENTENCEPIECE_SPACE = "\u2581"
_DATE = re.compile(r"\d{1,2} [A-Z][a-z]{2} \d{4}|\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, kw_only=True)
class TokenizerCheck:
    """What one runtime's tokenizer was compared on: ``rows`` of the dataset, in ``texts``, in ``seconds``.

    ``equal`` is None where it could not be compared: ``reason`` says so. False is a difference that the caller was told
    to go on with.
    """

    runtime: str
    rows: int = 0
    texts: int = 0
    seconds: float = 0.0
    equal: bool | None = None
    reason: str = ""
    notes: tuple[str, ...] = ()


def check_answers(asked: Questions, reading: TokenizerReading, runtime: str) -> None:
    """Raises SetupError for the first text of a row or control token that has other ids, or whose tokens are decoded to
    another text: which, where, and both tokens."""
    for text, ids in zip(asked.texts, reading.token_ids, strict=True):
        if text.kind != "other" and ids != text.token_ids:
            raise SetupError(
                f"{text.name}: {runtime} has other tokens than training: {_difference(asked.tokenizer, text, ids)}",
                next_step=hint(asked.tokenizer, ids),
            )
    for segment, decoded in zip(asked.segments, reading.texts, strict=True):
        if not _is_decoded(decoded.strip(), segment.decoded.strip(), segment.text):
            raise SetupError(
                f"{segment.name}: {runtime} decodes the tokens of {_short(segment.decoded)} to {_short(decoded)}",
                next_step=hint(asked.tokenizer, ()),
            )


def _is_decoded(decoded: str, expected: str, text: str) -> bool:
    """As Hugging Face does, or right where Hugging Face's own decoding is not; the spaces at the ends are not judged:
    a first token's space is kept by some runtimes, and no measurement counts it."""
    return decoded == expected or (expected not in text and bool(decoded) and decoded in text)


def hint(tokenizer: Any, ids: Sequence[int]) -> str:
    """What to type next, by what the tokenizer is."""
    others = "or leave these targets out, or --keep-going"
    kind = type(tokenizer).__name__
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if -1 in ids and "ByteLevel" in str(getattr(backend, "decoder", "")) + str(getattr(backend, "pre_tokenizer", "")):
        return (
            f"its class {kind} is read as sentencepiece, its vocabulary is byte-level BPE: write the class and the "
            f"pre-tokenizer that the model was trained with (tokenizer_config.json, tokenizer.json), {others}"
        )
    if -1 in ids:
        return f"give the tokenizer files that the model was published with, in place of {kind}, {others}"
    normalizer = getattr(backend, "normalizer", None)
    if normalizer is not None and _SENTENCEPIECE_SPACE not in str(normalizer):
        return (
            f"runtimes do not read every normalizer of tokenizer.json: write the rows as it would make them, {others}"
        )
    if str(getattr(backend, "pre_tokenizer", "")).count("Split(") > 1:
        return f"runtimes do not read every pre-tokenizer of tokenizer.json: change the row, {others}"
    return f"give the tokenizer files that the model was published with, change the row, {others}"


def _difference(tokenizer: Any, text: Text, ids: Sequence[int]) -> str:
    expected = text.token_ids
    at = next((i for i, (a, b) in enumerate(zip(expected, ids, strict=False)) if a != b), min(len(expected), len(ids)))
    near = tokenizer.decode(
        expected[max(at - _NEAR, 0) : at + _NEAR], skip_special_tokens=False, clean_up_tokenization_spaces=False
    )
    theirs, ours = _piece(tokenizer, expected, at), _piece(tokenizer, ids, at)
    return f"token {at} of {_short(text.text)}, near {_short(near)}, is {theirs} to Hugging Face, {ours} here"


def _piece(tokenizer: Any, ids: Sequence[int], at: int) -> str:
    if at >= len(ids):
        return "nothing"
    piece = tokenizer.convert_ids_to_tokens(ids[at]) if 0 <= ids[at] < len(tokenizer) else None
    return f"{ids[at]} ({'no token' if piece is None else repr(piece)})"


def _short(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}...")


def answer_notes(asked: Questions, reading: TokenizerReading, runtime: str) -> Iterator[str]:
    """What differs and spoils nothing that olivepress does: texts that no row has, and the runtime's own templates."""
    others = [
        (text, ids)
        for text, ids in zip(asked.texts, reading.token_ids, strict=True)
        if text.kind == "other" and ids != text.token_ids
    ]
    if others:
        text, ids = others[0]
        yield (
            f"{len(others)} of {sum(each.kind == 'other' for each in asked.texts)} unusual texts that no row has are "
            f"other tokens in {runtime}, first: {_difference(asked.tokenizer, text, ids)}"
        )
    yield from _template_notes(asked.dialogues, reading, runtime)


def _template_notes(dialogues: Sequence[Dialogue], reading: TokenizerReading, runtime: str) -> Iterator[str]:
    advice = "an application should send it the text that olivepress renders, as olivepress does"
    if reading.refused:
        yield f"{runtime} cannot render the chat template by itself ({reading.refused}): {advice}"
        return
    for dialogue, text in zip(dialogues, reading.rendered, strict=True):
        expected, actual = _DATE.sub("DATE", dialogue.rendered), _DATE.sub("DATE", text)
        if expected != actual:
            at = next((i for i, (a, b) in enumerate(zip(expected, actual, strict=False)) if a != b), None)
            at = min(len(expected), len(actual)) if at is None else at
            yield (
                f"{runtime} renders the chat template differently by itself: {dialogue.name}, character {at}, has "
                f"{_short(actual[at : at + 30])} for {_short(expected[at : at + 30])}: {advice}"
            )
            return
