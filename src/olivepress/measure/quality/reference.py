"""The PyTorch parent, at the desk: its greedy answers and the reference that exports are held against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.core.errors import JobError
from olivepress.core.files import cannot_write, new_directory
from olivepress.core.progress import Progress
from olivepress.data.store.examples import Example as DatasetExample
from olivepress.measure.proof.long_row import LongRow, write_long_row
from olivepress.measure.quality.accuracy import Finished, answer_budget
from olivepress.measure.quality.reference_file import REFERENCE_FORMAT, AnswerPart, questions
from olivepress.recipe.methods import FourBit
from olivepress.report.task_metrics import Example
from olivepress.runtimes.chat_template.prompts import (
    check_context,
    context_length,
    encode_parts,
    eos_token_ids,
    render_prompt,
)
from olivepress.runtimes.pytorch import load_parent

__all__ = ["TOP", "measure_pytorch", "pytorch_answers", "write_logits", "write_reference"]

TOP = 256  # log-probabilities per position that travel with the artifact
GREEDY_PROMPTS, GREEDY_TOKENS = 8, 16  # greedy answers that travel with it
BATCH_BYTES = 128 * 1024 * 1024  # of the logits that are computed at once


def pytorch_answers(
    model_dir: Path,
    prompts_token_ids: Sequence[Sequence[int]],
    max_new_tokens: int,
    *,
    adapter_dir: Path | None = None,
    batch_size: int = 16,
    progress: Progress | None = None,
) -> list[list[int]]:
    """Greedy continuation of each prompt, as token ids without the EOS; batched, in the order given."""
    model, _ = load_parent(model_dir, adapter_dir=adapter_dir)
    found = dict(_answers(model, model_dir, prompts_token_ids, max_new_tokens, batch_size, progress))
    return [found[index] for index in range(len(prompts_token_ids))]


def measure_pytorch(
    model_dir: Path,
    rows: Sequence[DatasetExample],
    *,
    adapter_dir: Path | None = None,
    four_bit: FourBit | None = None,
    batch_size: int = 16,
    whole: bool = False,
    budget: int | None = None,
    finished: Finished | None = None,
    progress: Progress | None = None,
) -> tuple[list[Example], int]:
    """Answer all rows with the parent. Returns the examples in order and the budget of new tokens.

    ``budget`` is what the rows' expected answers take where it is not given. A prompt is answered as far as the context
    allows; with ``whole``, ContextExceeded when that is not the budget.
    """
    model, tokenizer = load_parent(model_dir, adapter_dir=adapter_dir, four_bit=four_bit)
    kept = finished or Finished()
    rendered = {row.id: render_prompt(model_dir, row.messages, row.tools) for row in rows}
    expected = (prompt.completion_parts for prompt in rendered.values())
    budget = budget or answer_budget([len(_encode(tokenizer, parts)) for parts in expected])
    missing = kept.missing(rows)
    prompts = [_encode(tokenizer, rendered[row.id].prefix_parts) for row in missing]
    if whole:
        check_context(model_dir, prompts, room=budget)
    for index, ids in _answers(model, model_dir, prompts, budget, batch_size, progress):
        text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        kept.add(missing[index].id, text)
    return kept.examples(rows, [rendered[row.id].answer for row in rows]), budget


def _encode(tokenizer: Any, parts: Sequence[str]) -> list[int]:
    return encode_parts(lambda text: tokenizer(text, add_special_tokens=False)["input_ids"], parts)


def _answers(
    model: Any,
    model_dir: Path,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    batch_size: int,
    progress: Progress | None,
) -> Iterator[tuple[int, list[int]]]:
    """(index of the prompt, its answer), prompts of like length together."""
    from transformers import GenerationConfig

    eos, limit = list(eos_token_ids(model_dir)), context_length(model_dir)
    check_context(model_dir, prompts)
    # The model card's sampling advice (temperature, repetition penalty) must not leak into greedy answers.
    model.generation_config = GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=max_new_tokens,
        eos_token_id=eos or None,
        pad_token_id=eos[0] if eos else 0,
    )
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))  # like lengths together: less padding
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        for index, ids in zip(batch, _batch(model, [prompts[i] for i in batch]), strict=True):
            room = max_new_tokens if limit is None else min(max_new_tokens, limit - len(prompts[index]))
            yield index, _until(ids[:room], set(eos))
        if progress:
            progress(start + len(batch), len(order))


def _batch(model: Any, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    import torch

    width = max(len(p) for p in prompts)
    ids = torch.zeros((len(prompts), width), dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):  # left padding; the mask comes from lengths, never from the pad id
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    with torch.inference_mode():
        out = model.generate(input_ids=ids, attention_mask=mask)
    return [[int(token) for token in sequence[width:]] for sequence in out]


def _until(ids: Sequence[int], eos: set[int]) -> list[int]:
    for index, token in enumerate(ids):
        if token in eos:
            return list(ids[:index])
    return list(ids)


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
    """Run the parent over fixed prompts and keep what exports are held against.

    ``answers`` says of each prompt where its answers are and from which token its logits are kept (all of them, and no
    answer known, where it is not given). Writes ``logits-NNNN.npy`` per prompt (float32, kept tokens × vocabulary; desk
    only: 0.8 MB a token at 200k) and ``reference.npz``, which travels: ``ids`` and ``lengths`` (int32), ``starts`` and
    ``firsts`` (per prompt, see ``AnswerPart``); per kept token ``supervised`` (1 where it predicts a token of an
    answer), ``top_ids`` (256 of them, int32), ``top_logprobs`` (float32) and ``tail_mass`` (float32, 1 minus their
    sum); ``greedy_ids`` and ``greedy_lengths`` (int32: its own answers to the
    first prompts with a start, cut at 16 tokens, without the end token), ``vocab_size``, ``format``; with ``long_row``
    that row's logits as well (desk only). Written in one step. JobError on
    NaN or infinite logits: such a parent proves nothing.
    """
    if not token_ids or any(len(ids) == 0 for ids in token_ids):
        raise JobError(f"{out_dir}: a reference needs at least one prompt and no empty ones")
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
    """What the parent itself answers to the first prompts whose answers' starts are known."""
    prompts = questions(token_ids, starts)[:GREEDY_PROMPTS]
    found = dict(_answers(model, model_dir, prompts, GREEDY_TOKENS, GREEDY_PROMPTS, None))
    return [found[index] for index in sorted(found)]


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
) -> Path:
    """Only the logits of fixed prompts, as ``logits-NNNN.npy`` in ``folder`` (float32, tokens × vocabulary).

    ``firsts``: of each prompt the token from which on they are kept. With ``base_folder`` those of the same base
    without its adapter as well, as ``base-NNNN.npy``: they lie beside a reference and stay at the desk. ``long_row``
    and errors as in ``write_reference``.
    """
    model, _ = load_parent(model_dir, adapter_dir=adapter_dir, four_bit=four_bit)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        kept = firsts or [0] * len(token_ids)
        _save_logits(model, token_ids, model_dir, folder, "logits", kept)
        if long_row is not None:
            write_long_row(model, long_row, folder)
        if base_folder is not None:
            with model.disable_adapter():
                _save_logits(model, token_ids, model_dir, base_folder, "base", kept)
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
    """(index, float32 [tokens from the first kept one on, vocabulary]) of each prompt; JobError when not finite.

    Prompts of the same length are computed together, as many as their logits' bytes allow: nothing is padded, so that
    the numbers are those that each has alone.
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
    """Indices of prompts with as many tokens each, at most ``most`` tokens together (one prompt in any case)."""
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
    found = []
    for start in range(0, len(logits), rows):
        part = logits[start : start + rows].astype(np.float64)
        part -= part.max(axis=1, keepdims=True)
        part -= np.log(np.exp(part).sum(axis=1, keepdims=True))
        ids = np.argpartition(-part, count - 1, axis=1)[:, :count]
        chosen = np.take_along_axis(part, ids, axis=1)
        order = np.argsort(-chosen, axis=1, kind="stable")
        logprobs = np.take_along_axis(chosen, order, axis=1)
        tail = np.clip(1.0 - np.exp(logprobs).sum(axis=1), 0.0, 1.0)
        found.append((np.take_along_axis(ids, order, axis=1).astype(np.int32), logprobs.astype(np.float32), tail))
    ids_all, logprobs_all, tail_all = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return ids_all, logprobs_all, tail_all.astype(np.float32)
