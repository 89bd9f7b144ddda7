"""Perplexity and label scoring with the PyTorch parent: the counterpart of ``perplexity`` and ``label_scoring``."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.core.errors import JobError
from olivepress.core.progress import Progress
from olivepress.data.store.examples import Example
from olivepress.measure.quality.label_scoring import LabelTask, LogprobsAlong, best_label, label_tasks, next_logprobs_of
from olivepress.measure.quality.perplexity import TextLikelihood, scored_bytes, strided_likelihood, window_and_stride
from olivepress.recipe.methods import FourBit
from olivepress.runtimes.base import CHUNK_BYTES, ROWS
from olivepress.runtimes.pytorch import opened_parent

__all__ = ["perplexity_pytorch", "score_labels_pytorch"]

WIDTH = 16  # labels per batch: about as fast as one label, since reading the weights dominates


def score_labels_pytorch(
    model_dir: Path,
    rows: Sequence[Example],
    labels: Sequence[str],
    *,
    adapter_dir: Path | None = None,
    four_bit: FourBit | None = None,
    progress: Progress | None = None,
) -> list[str | None]:
    """The most probable of ``labels`` (answer texts) for each row; results and errors as ``score_labels_exported``."""
    model, tokenizer = opened_parent(model_dir, adapter_dir, four_bit)
    chosen: list[str | None] = []
    for task in label_tasks(model_dir, rows, labels, lambda text: _encode(tokenizer, text)):
        chosen.append(labels[best_label(task.completions, _torch_source(model, task), width=WIDTH)] if task else None)
        if progress:
            progress(len(chosen), len(rows))
    return chosen


def _encode(tokenizer: Any, text: str) -> list[int]:
    # verbose=False: no warning about a text longer than the context, which is cut into windows.
    return [int(token) for token in tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]]


def _torch_source(model: Any, task: LabelTask) -> LogprobsAlong:
    """Log-probabilities from one pass over the prompt, then a batch of sequences at a time on copies of its cache."""
    import torch

    with torch.inference_mode():
        out = model(input_ids=torch.tensor([list(task.prompt)]), use_cache=True, logits_to_keep=1)
    after_prompt = next_logprobs_of(out.logits[0, -1].float().numpy())

    def along(sequences: Sequence[Sequence[int]]) -> list[Iterator[np.ndarray]]:
        if not any(sequences):
            return [iter([after_prompt]) for _ in sequences]
        ids = torch.zeros((len(sequences), max(len(sequence) for sequence in sequences)), dtype=torch.long)
        mask = torch.ones((len(sequences), len(task.prompt) + ids.shape[1]), dtype=torch.long)
        for row, sequence in enumerate(sequences):  # padded on the right, which earlier tokens do not attend to
            ids[row, : len(sequence)] = torch.tensor(sequence, dtype=torch.long)
            mask[row, len(task.prompt) + len(sequence) :] = 0
        # A copy, not crop(): caches of sliding windows and recurrent states cannot be cropped.
        cache = copy.deepcopy(out.past_key_values)
        cache.batch_repeat_interleave(len(sequences))
        with torch.inference_mode():
            logits = model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True).logits
        return [rows(logits[row, : len(sequence)]) for row, sequence in enumerate(sequences)]

    def rows(logits: Any) -> Iterator[np.ndarray]:
        yield after_prompt
        yield from (next_logprobs_of(row.float().numpy()) for row in logits)

    return along


def perplexity_pytorch(
    model_dir: Path,
    text: str,
    *,
    window: int | None = None,
    stride: int | None = None,
    adapter_dir: Path | None = None,
    four_bit: FourBit | None = None,
    progress: Progress | None = None,
) -> TextLikelihood:
    """Likelihood of ``text`` under the parent; arguments, units and errors as ``perplexity_exported``."""
    model, tokenizer = opened_parent(model_dir, adapter_dir, four_bit)
    ids = _encode(tokenizer, text)
    size, step = window_and_stride(model_dir, window, stride)
    first = str(tokenizer.decode(ids[:1], clean_up_tokenization_spaces=False))
    return strided_likelihood(
        ids,
        lambda part: _teacher_forced(model, part),
        window=size,
        stride=step,
        utf8_bytes=scored_bytes(text, first),
        progress=progress,
    )


def _teacher_forced(model: Any, token_ids: Sequence[int]) -> Iterator[tuple[int, np.ndarray]]:
    """(offset, logits float64 [<=16, vocabulary]) in order; in chunks with a cache, which bounds memory for logits."""
    import torch

    chunk, cache = max(CHUNK_BYTES // (4 * model.config.vocab_size), ROWS), None
    for start in range(0, len(token_ids), chunk):
        part = torch.tensor([list(token_ids[start : start + chunk])])
        with torch.inference_mode():
            out = model(input_ids=part, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        for row in range(0, part.shape[1], ROWS):
            block = out.logits[0, row : row + ROWS].double().numpy()
            if not np.isfinite(block).all():
                raise JobError("the model returned NaN or infinite logits", next_step="train or merge it again")
            yield start + row, block
