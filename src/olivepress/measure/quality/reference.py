"""The reference of the PyTorch parent: logits and greedy answers that exports are compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.core.errors import JobError
from olivepress.core.files import cannot_write, new_directory
from olivepress.core.progress import Progress
from olivepress.measure.quality.long_row import LongRow, write_long_row
from olivepress.measure.quality.parent_answers import greedy_by_index
from olivepress.measure.quality.reference_file import REFERENCE_FORMAT, AnswerPart, questions
from olivepress.recipe.methods import FourBit
from olivepress.runtimes.pytorch import load_parent

__all__ = ["TOP", "top_logprobs", "write_logits", "write_reference"]

TOP = 256  # log-probabilities per position that travel with the artifact
GREEDY_PROMPTS, GREEDY_TOKENS = 8, 16  # greedy answers that travel with it
BATCH_BYTES = 128 * 1024 * 1024  # of the logits that are computed at once


def write_reference(
    model_dir: Path,
    token_ids: Sequence[Sequence[int]],
    out_dir: Path,
    *,
    answers: Sequence[AnswerPart] | None = None,
    adapter_dir: Path | None = None,
    long_row: LongRow | None = None,
    progress: Progress | None = None,
) -> Path:
    """Run the parent over fixed prompts and write what exports are compared with; returns ``out_dir``.

    ``answers``: per prompt where its answers are and from which token on its logits are kept (default: no answer
    known, all logits kept). ``reference.npz`` travels with the artifact:

    - ``ids`` and ``lengths`` (int32) of the prompts; ``starts`` and ``firsts`` per prompt, see ``AnswerPart``
    - per kept token: ``supervised`` (uint8, 1 where it predicts a token of an answer), ``top_ids`` (int32, 256 per
      token), ``top_logprobs`` (float32) and ``tail_mass`` (float32, 1 minus the sum of their probabilities)
    - ``greedy_ids`` and ``greedy_lengths`` (int32): the parent's answers to the first prompts with a start, at most 16
      tokens each, without the end token
    - ``vocab_size`` and ``format``

    ``logits-NNNN.npy`` per prompt (float32 [kept tokens, vocabulary], 0.8 MB per token at 200k) and, with ``long_row``,
    ``long_row.npz`` do not travel. The folder is replaced in one step. JobError on NaN or infinite logits; SetupError
    when it cannot be written.
    """
    if not token_ids or any(len(ids) == 0 for ids in token_ids):
        raise JobError(f"{out_dir}: a reference needs at least one prompt and no empty prompts")
    model, _ = load_parent(model_dir, adapter_dir=adapter_dir)
    with new_directory(out_dir) as folder:
        _write_all(model, token_ids, answers or [AnswerPart()] * len(token_ids), folder, model_dir, progress)
        if long_row is not None:
            write_long_row(model, long_row, folder)
    return out_dir


def _write_all(
    model: Any,
    token_ids: Sequence[Sequence[int]],
    answers: Sequence[AnswerPart],
    folder: Path,
    model_dir: Path,
    progress: Progress | None,
) -> None:
    top_of: dict[int, tuple[Any, Any, Any]] = {}
    vocabulary, starts, firsts = 0, [part.start for part in answers], [part.first for part in answers]
    for index, logits in _logits(model, token_ids, model_dir, firsts):
        np.save(folder / f"logits-{index:04d}.npy", logits)
        top_of[index] = top_logprobs(logits)
        vocabulary = logits.shape[1]
        if progress:
            progress(len(top_of), len(token_ids))
    tops = [top_of[index] for index in range(len(token_ids))]
    greedy = _greedy(model, model_dir, token_ids, starts)
    np.savez(
        folder / "reference.npz",
        greedy_lengths=np.asarray([len(answer) for answer in greedy], dtype=np.int32),
        greedy_ids=np.asarray([token for answer in greedy for token in answer], dtype=np.int32),
        format=np.int64(REFERENCE_FORMAT),
        vocab_size=np.int64(vocabulary),
        lengths=np.asarray([len(ids) for ids in token_ids], dtype=np.int32),
        starts=np.asarray(starts, dtype=np.int32),
        firsts=np.asarray(firsts, dtype=np.int32),
        supervised=np.concatenate([_supervised(part, len(ids)) for part, ids in zip(answers, token_ids, strict=True)]),
        ids=np.concatenate([np.asarray(ids, dtype=np.int32) for ids in token_ids]),
        top_ids=np.concatenate([t[0] for t in tops]),
        top_logprobs=np.concatenate([t[1] for t in tops]),
        tail_mass=np.concatenate([t[2] for t in tops]),
    )


def _supervised(part: AnswerPart, length: int) -> np.ndarray:
    """uint8 per kept token of a prompt of ``length`` tokens: 1 where it predicts a token of an answer."""
    positions = np.zeros(length, dtype=np.uint8)
    positions[list(part.supervised)] = 1
    return positions[part.first :]


def _greedy(model: Any, model_dir: Path, token_ids: Sequence[Sequence[int]], starts: Sequence[int]) -> list[list[int]]:
    """The parent's answers to the first prompts whose answers have a known start."""
    prompts = questions(token_ids, starts)[:GREEDY_PROMPTS]
    answers = dict(greedy_by_index(model, model_dir, prompts, GREEDY_TOKENS, batch_size=GREEDY_PROMPTS))
    return [answers[index] for index in sorted(answers)]


def write_logits(
    model_dir: Path,
    token_ids: Sequence[Sequence[int]],
    folder: Path,
    *,
    adapter_dir: Path | None = None,
    base_folder: Path | None = None,
    four_bit: FourBit | None = None,
    long_row: LongRow | None = None,
    firsts: Sequence[int] | None = None,
    name: str = "logits",
) -> Path:
    """Write only the logits of fixed prompts, ``<name>-NNNN.npy`` (float32 [tokens, vocabulary]); returns ``folder``.

    ``firsts``: per prompt the token from which on they are kept. With ``base_folder`` the logits of the same base
    without its adapter are written there as ``base-NNNN.npy``; they are not shipped. ``long_row`` and errors as in
    ``write_reference``.
    """
    model, _ = load_parent(model_dir, adapter_dir=adapter_dir, four_bit=four_bit)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        first_kept = firsts or [0] * len(token_ids)
        _save_logits(model, token_ids, model_dir, folder, name, first_kept)
        if long_row is not None:
            write_long_row(model, long_row, folder)
        if base_folder is not None:
            with model.disable_adapter():
                _save_logits(model, token_ids, model_dir, base_folder, "base", first_kept)
    except OSError as error:
        raise cannot_write(folder, folder.parent, error) from error
    return folder


def _save_logits(
    model: Any, token_ids: Sequence[Sequence[int]], model_dir: Path, folder: Path, name: str, firsts: Sequence[int]
) -> None:
    for index, logits in _logits(model, token_ids, model_dir, firsts):
        np.save(folder / f"{name}-{index:04d}.npy", logits)


def _logits(
    model: Any, token_ids: Sequence[Sequence[int]], model_dir: Path, firsts: Sequence[int]
) -> Iterator[tuple[int, np.ndarray]]:
    """(index, float32 [tokens from the first kept token on, vocabulary]) of each prompt; JobError when not finite.

    Prompts of equal length share a batch, as many as the size of their logits allows: without padding, the numbers are
    the same as in a batch of one prompt.
    """
    import torch

    for batch in _same_length(token_ids, most=BATCH_BYTES // (4 * int(model.config.vocab_size))):
        with torch.inference_mode():
            ids = torch.tensor([list(token_ids[index]) for index in batch])
            together = model(input_ids=ids, use_cache=False).logits
        for index, logits in zip(batch, together, strict=True):
            values = logits[firsts[index] :].float().numpy()
            if not np.isfinite(values).all():
                raise JobError(
                    f"{model_dir}: NaN or infinite logits on prompt {index}", next_step="train or merge again"
                )
            yield index, values


def _same_length(token_ids: Sequence[Sequence[int]], *, most: int) -> Iterator[list[int]]:
    """Batches of indices of prompts of equal length, at most ``most`` tokens per batch (but at least one prompt)."""
    by_length: dict[int, list[int]] = {}
    for index, ids in enumerate(token_ids):
        by_length.setdefault(len(ids), []).append(index)
    for length, indices in by_length.items():
        size = max(most // length, 1)
        for start in range(0, len(indices), size):
            yield indices[start : start + size]


def top_logprobs(logits: np.ndarray, *, top: int = TOP, rows: int = 16) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(top_ids int32 [T, k], top_logprobs float32 [T, k], tail_mass float32 [T]), k = min(top, vocabulary).

    Computed in float64, ``rows`` positions at a time to bound memory: 16 × 200k × 8 bytes = 26 MB.
    """
    count = min(top, logits.shape[1])
    parts = []
    for start in range(0, len(logits), rows):
        block = logits[start : start + rows].astype(np.float64)
        block -= block.max(axis=1, keepdims=True)
        block -= np.log(np.exp(block).sum(axis=1, keepdims=True))
        ids = np.argpartition(-block, count - 1, axis=1)[:, :count]
        chosen = np.take_along_axis(block, ids, axis=1)
        order = np.argsort(-chosen, axis=1, kind="stable")
        logprobs = np.take_along_axis(chosen, order, axis=1)
        tail = np.clip(1.0 - np.exp(logprobs).sum(axis=1), 0.0, 1.0)
        parts.append((np.take_along_axis(ids, order, axis=1).astype(np.int32), logprobs.astype(np.float32), tail))
    ids_all, logprobs_all, tail_all = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return ids_all, logprobs_all, tail_all.astype(np.float32)
