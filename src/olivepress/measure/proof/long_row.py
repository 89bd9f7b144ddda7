"""An export compared with its parent on one long text, given as a prompt and as a prompt with an answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from olivepress.core.errors import JobError
from olivepress.measure.quality.fidelity import divergence, log_softmax
from olivepress.measure.quality.long_row import ANSWERED, HEAD, TAIL, LongRow, read_long_row
from olivepress.runtimes.base import CHUNK_BYTES, LanguageModel, append_in_chunks
from olivepress.runtimes.chat_template.model_config import context_length

__all__ = [
    "LongRowProof",
    "ShippedRow",
    "answer_difference",
    "compare_prompt",
    "compare_shipped",
    "prove_long_row",
    "row_to_compare",
]

_EARLY = (16, 32, 48, 64)  # tokens after which an answer is compared where no switch is near

Compared = dict[int, tuple[float, float]]  # position → (KL in nats, largest difference of two logits)


@dataclass(frozen=True, kw_only=True)
class ShippedRow:
    """What the model as shipped computes of the row.

    ``answers``: (KL, largest logit difference) of an answer across each switch; ``usual``: KL of answers without a
    switch. ``prompt`` is None unless only the shipped model can be given the row as a prompt.
    """

    usual: tuple[float, ...]
    answers: tuple[tuple[float, float], ...]
    prompt: Compared | None


class LongRowProof(BaseModel):
    """Divergence of an export from its parent on the long row.

    ``before`` and ``beyond``: KL in nats at positions before and after the first switch (without one: 128 tokens);
    ``beyond_worst``: the largest difference of two logits among the latter. ``answers`` and ``answers_worst``: the same
    after tokens that the model generated across each switch, compared with its own logits for the whole text as a
    prompt; ``usual``: that KL where there is no switch. No answers for a model that is compiled for windows.
    """

    model_config = ConfigDict(frozen=True)

    tokens: int
    switches: list[int]
    before: list[float]
    beyond: list[float]
    beyond_worst: float
    usual: list[float]
    answers: list[float]
    answers_worst: float


def row_to_compare(reference_dir: Path, model_dir: Path) -> tuple[LongRow | None, str]:
    """(long row of a reference folder, ""), or (None, reason) when the context of ``model_dir`` is too short for it.

    (None, "") when the reference has no long row. JobError when it is damaged.
    """
    row, context = read_long_row(reference_dir), context_length(model_dir)
    if row is None:
        return None, ""
    if context is not None and context < len(row.ids):
        return None, f"positions beyond {HEAD} were not compared: its context is {context} tokens"
    return row, ""


def compare_shipped(row: LongRow, model: LanguageModel) -> ShippedRow:
    """Run the model as shipped: answers across each switch, and the prompt where all its logits would not fit."""
    usual, answers = list[float](), list[tuple[float, float]]()
    if not model.windowed:
        points = [at for at, _ in row.switches] or [len(row.ids) - ANSWERED]
        early = [first for first in _EARLY if first + ANSWERED < points[0]]
        usual = [answer_difference(row, model, first)[0] for first in early]
        answers = [answer_difference(row, model, max(at - 2, 1)) for at in points]
    prompt = compare_prompt(row, model) if _last_only(row, model) else None
    return ShippedRow(usual=tuple(usual), answers=tuple(answers), prompt=prompt)


def answer_difference(row: LongRow, model: LanguageModel, first: int) -> tuple[float, float]:
    """(KL in nats, largest logit difference) between generating an answer and reading the same tokens as one prompt.

    The prompt has ``first`` tokens and the answer ``ANSWERED``: the KV cache must contain what a prompt computes. The
    answer is generated as an application does: genai 0.14.1 does not notice a switch of the rotary embedding when it
    is given the tokens instead (tested). JobError when the logits are not finite.
    """
    end = first + ANSWERED
    answer = model.generation(end, shortest=end - 1)
    answer.append(row.ids[:first])
    for _ in range(ANSWERED):
        answer.step()  # the first step only samples
    ours = answer.logits()[-1][: model.vocabulary].astype(np.float64)
    prompt = model.generation(end)
    prompt.append(answer.tokens()[: end - 1])
    whole = prompt.logits()[-1][: model.vocabulary].astype(np.float64)
    if not (np.isfinite(ours).all() and np.isfinite(whole).all()):
        raise JobError(f"NaN or infinite logits after {first} tokens of a long text", next_step="export it again")
    kl = divergence(log_softmax(whole[None]), log_softmax(ours[None]))
    return float(kl[0]), float(np.abs(whole - ours).max())


def prove_long_row(row: LongRow, shipped: ShippedRow, model: LanguageModel) -> LongRowProof:
    """``shipped`` completed by the prompt, for which ``model`` returns the logits of every position."""
    prompt = compare_prompt(row, model) if shipped.prompt is None else shipped.prompt
    first = row.switches[0][0] if row.switches else HEAD
    beyond = {position: values for position, values in prompt.items() if position >= first}
    return LongRowProof(
        tokens=len(row.ids),
        switches=[at for at, _ in row.switches],
        before=[kl for position, (kl, _) in prompt.items() if position < first],
        beyond=[kl for kl, _ in beyond.values()],
        beyond_worst=max((worst for _, worst in beyond.values()), default=0.0),
        usual=list(shipped.usual),
        answers=[kl for kl, _ in shipped.answers],
        answers_worst=max((worst for _, worst in shipped.answers), default=0.0),
    )


def _last_only(row: LongRow, model: LanguageModel) -> bool:
    """Whether the row must be read whole although the logits of all its positions would not fit into memory."""
    return row.by_length and not model.windowed and 4 * model.vocabulary * len(row.ids) > 2 * CHUNK_BYTES


def compare_prompt(row: LongRow, model: LanguageModel) -> Compared:
    """Position → (KL in nats, largest logit difference) with the row as a prompt: whole, or in chunks where equivalent.

    Where it must be whole and all its logits would not fit, only the last positions, token by token.
    """
    if _last_only(row, model):
        return _token_by_token(row, model, len(row.ids) - TAIL + 1, len(row.ids))
    generation, offset, compared = model.generation(len(row.ids)), 0, Compared()
    if row.by_length or model.windowed:
        generation.append(row.ids)
        parts: Iterable[np.ndarray] = [generation.logits()]
    else:
        parts = append_in_chunks(generation, row.ids, model.vocabulary)
    for logits in parts:
        compared |= dict(_compared(row, range(offset, offset + len(logits)), logits))
        offset += len(logits)
    return compared


def _token_by_token(row: LongRow, model: LanguageModel, first: int, end: int) -> Compared:
    """The first ``first`` tokens as a prompt, the others up to ``end`` one at a time."""
    generation, compared = model.generation(end), Compared()
    generation.append(row.ids[:first])
    compared |= dict(_compared(row, range(first - 1, first), generation.logits()[-1:]))
    for position in range(first, end):
        generation.append(row.ids[position : position + 1])
        compared |= dict(_compared(row, range(position, position + 1), generation.logits()[-1:]))
    return compared


def _compared(row: LongRow, positions: range, logits: np.ndarray) -> Iterator[tuple[int, tuple[float, float]]]:
    """(position, (KL, largest difference)) of those positions for which the row has the parent's logits."""
    assert row.logits is not None
    for index, position in enumerate(row.positions):
        if position not in positions:
            continue
        parent = row.logits[index].astype(np.float64)
        ours = logits[position - positions.start, : len(parent)].astype(np.float64)
        if not np.isfinite(ours).all():
            raise JobError(f"NaN or infinite logits at token {position} of a long text", next_step="export it again")
        kl = divergence(log_softmax(parent[None]), log_softmax(ours[None]))
        yield position, (float(kl[0]), float(np.abs(parent - ours).max()))
