"""One long text, the parent and an export on it: what lies beyond a window or a rope's switch, as prompt and as answer.

Logits are kept of a few dozen positions only: 4,096 tokens of 200,000 float32 logits would be 3.3 GB.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict

from olivepress.core.array_file import read_arrays
from olivepress.core.errors import JobError
from olivepress.measure.proof.horizon import Horizon
from olivepress.measure.quality.fidelity import divergence, log_softmax
from olivepress.runtimes.base import CHUNK_BYTES, LanguageModel, append_in_chunks
from olivepress.runtimes.chat_template.prompts import context_length

__all__ = [
    "ANSWERED",
    "HEAD",
    "LONG_ROW",
    "LONG_ROW_FORMAT",
    "LongRow",
    "LongRowProof",
    "ShippedRow",
    "answer_difference",
    "compare_prompt",
    "compare_shipped",
    "kept_positions",
    "long_row",
    "prove_long_row",
    "read_long_row",
    "row_to_compare",
    "write_long_row",
]

LONG_ROW_FORMAT = 1  # of the row and of what is checked with it; merges and exports of an older one are made again
LONG_ROW = "long_row.npz"  # beside a reference, at the desk
HEAD = 128  # tokens that the reference's short prompts reach: what lies behind them is the long row's to check
ANSWERED = 10  # tokens that a model answers with, from just before a switch to behind it
_SPREAD, _BEFORE, _TAIL = 48, 16, 32  # positions over the whole row, before its first switch, and the last ones
_MOST_SWITCHES = 6
_EARLY = (16, 32, 48, 64)  # tokens after which an answer is compared where nothing switches


@dataclass(frozen=True, kw_only=True)
class LongRow:
    """Token ids, the positions whose logits are kept, and (tokens, whether the whole text changes) of each switch."""

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    switches: tuple[tuple[int, bool], ...]
    logits: np.ndarray | None = None

    @property
    def by_length(self) -> bool:
        """Whether it must be read in one piece, as a part of it would be computed otherwise."""
        return any(changes for _, changes in self.switches)


Compared = dict[int, tuple[float, float]]  # position → (KL in nats, largest difference of two logits)


@dataclass(frozen=True, kw_only=True)
class ShippedRow:
    """What the model as it ships computes of the row: answers, and the prompt where only it can be asked for that."""

    usual: tuple[float, ...]
    answers: tuple[tuple[float, float], ...]
    prompt: Compared | None


class LongRowProof(BaseModel):
    """KL in nats at positions ``before`` the first switch and after it (of 128 tokens where there is none), and the
    largest difference of two logits in the latter. ``answers``: the same after tokens that the model chose itself
    across each switch, against its own logits for the whole text as a prompt; ``usual`` is that KL where there is no
    switch. None of a model that is compiled for windows."""

    model_config = ConfigDict(frozen=True)

    tokens: int
    switches: list[int]
    before: list[float]
    beyond: list[float]
    beyond_worst: float
    usual: list[float]
    answers: list[float]
    answers_worst: float


def long_row(ids: Iterable[int], reach: Horizon) -> LongRow | None:
    """The first tokens of a text, as many as ``reach`` says; None when that is no longer than the short prompts."""
    row = tuple(token for token, _ in zip(ids, range(reach.length), strict=False))
    if len(row) <= HEAD + ANSWERED:
        return None
    points = tuple((s.at, s.by_length) for s in reach.switches if s.at + ANSWERED <= len(row))[-_MOST_SWITCHES:]
    return LongRow(ids=row, positions=kept_positions(len(row), [at for at, _ in points]), switches=points)


def kept_positions(length: int, at: Sequence[int]) -> tuple[int, ...]:
    """Positions over the whole row, over what stands before the first switch, behind each, and the last ones."""
    first = at[0] if at else HEAD
    positions = {index * length // _SPREAD for index in range(_SPREAD)} | set(range(length - _TAIL, length))
    positions |= {index * first // _BEFORE for index in range(_BEFORE)}
    for switch in at:
        positions |= set(range(switch - 2, switch + ANSWERED))
    return tuple(sorted(position for position in positions if 0 <= position < length))


def write_long_row(model: Any, row: LongRow, folder: Path) -> None:
    """The logits of a PyTorch model at the kept positions, as ``long_row.npz``. JobError when they are not finite."""
    import torch

    with torch.inference_mode():
        kept = torch.tensor(row.positions)
        out = model(input_ids=torch.tensor([row.ids]), use_cache=False, logits_to_keep=kept)
    logits = out.logits[0].float().numpy()
    if len(logits) == len(row.ids):  # a model that does not know the argument
        logits = logits[list(row.positions)]
    if not np.isfinite(logits).all():
        raise JobError(f"{folder}: NaN or infinite logits on a text of {len(row.ids)} tokens", next_step="train again")
    np.savez(
        folder / LONG_ROW,
        ids=np.asarray(row.ids, dtype=np.int32),
        positions=np.asarray(row.positions, dtype=np.int32),
        switches=np.asarray(row.switches, dtype=np.int32).reshape(-1, 2),
        logits=logits,
    )


def read_long_row(folder: Path) -> LongRow | None:
    """The row beside a reference; None when there is none. JobError when it is damaged."""
    file = folder / LONG_ROW
    if not file.is_file():
        return None
    try:
        data = read_arrays(file, ("ids", "positions", "switches", "logits"))
        switches = data["switches"].reshape(-1, 2)
    except (OSError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise JobError(f"{file}: not a long row ({reason})", next_step="olivepress run makes it again") from error
    return LongRow(
        ids=tuple(data["ids"].tolist()),
        positions=tuple(data["positions"].tolist()),
        switches=tuple((int(at), bool(changes)) for at, changes in switches),
        logits=data["logits"],
    )


def row_to_compare(reference_dir: Path, model_dir: Path) -> tuple[LongRow | None, str]:
    """The row beside a reference, if the model in ``model_dir`` holds it; else the reason why there is none."""
    row, context = read_long_row(reference_dir), context_length(model_dir)
    if row is None:
        return None, ""
    if context is not None and context < len(row.ids):
        return None, f"positions beyond {HEAD} were not compared: its context is {context} tokens"
    return row, ""


def compare_shipped(row: LongRow, model: LanguageModel) -> ShippedRow:
    """The model as it ships: answers across each switch, and the prompt where all its logits would not fit."""
    usual, answers = list[float](), list[tuple[float, float]]()
    if not model.windowed:
        points = [at for at, _ in row.switches] or [len(row.ids) - ANSWERED]
        early = [first for first in _EARLY if first + ANSWERED < points[0]]
        usual = [answer_difference(row, model, first)[0] for first in early]
        answers = [answer_difference(row, model, max(at - 2, 1)) for at in points]
    prompt = compare_prompt(row, model) if _last_only(row, model) else None
    return ShippedRow(usual=tuple(usual), answers=tuple(answers), prompt=prompt)


def answer_difference(row: LongRow, model: LanguageModel, first: int) -> tuple[float, float]:
    """(KL, largest difference) between the logits after a prompt of ``first`` tokens and an answer that the model gives
    token by token, and those after the same tokens as one prompt: a cache must hold what a prompt computes.

    As an application generates: given tokens, genai does not notice that a rope switches (ran, 0.14.1).
    """
    end = first + ANSWERED
    answer = model.generation(end, shortest=end - 1)
    answer.append(row.ids[:first])
    for _ in range(ANSWERED):
        answer.step()  # the first step only picks
    ours = answer.logits()[-1][: model.vocabulary].astype(np.float64)
    prompt = model.generation(end)
    prompt.append(answer.tokens()[: end - 1])
    whole = prompt.logits()[-1][: model.vocabulary].astype(np.float64)
    if not (np.isfinite(ours).all() and np.isfinite(whole).all()):
        raise JobError(f"NaN or infinite logits after {first} tokens of a long text", next_step="export it again")
    kl = divergence(log_softmax(whole[None]), log_softmax(ours[None]))
    return float(kl[0]), float(np.abs(whole - ours).max())


def prove_long_row(row: LongRow, shipped: ShippedRow, model: LanguageModel) -> LongRowProof:
    """``shipped`` completed by the prompt, which ``model`` has the logits of every position for."""
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
    return row.by_length and not model.windowed and 4 * model.vocabulary * len(row.ids) > 2 * CHUNK_BYTES


def compare_prompt(row: LongRow, model: LanguageModel) -> Compared:
    """Position → (KL, largest logit difference), the row being given as a prompt: whole, or in pieces where that is the
    same. Where all its logits would not fit and it must be whole, the last ones, token by token."""
    if _last_only(row, model):
        return _singly(row, model, len(row.ids) - _TAIL + 1, len(row.ids))
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


def _singly(row: LongRow, model: LanguageModel, first: int, end: int) -> Compared:
    """The first ``first`` tokens as a prompt, the others up to ``end`` one by one."""
    generation, compared = model.generation(end), Compared()
    generation.append(row.ids[:first])
    compared |= dict(_compared(row, range(first - 1, first), generation.logits()[-1:]))
    for position in range(first, end):
        generation.append(row.ids[position : position + 1])
        compared |= dict(_compared(row, range(position, position + 1), generation.logits()[-1:]))
    return compared


def _compared(row: LongRow, positions: range, logits: np.ndarray) -> Iterator[tuple[int, tuple[float, float]]]:
    """(position, (KL, largest difference)) of those positions whose logits the parent's row keeps."""
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
