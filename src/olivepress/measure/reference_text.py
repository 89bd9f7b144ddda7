"""The PyTorch parent on texts and labels: what ``perplexity`` and ``label_scoring`` do for ONNX models, at the desk."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.errors import JobError
from olivepress.measure.accuracy import Progress
from olivepress.measure.dataset import Row
from olivepress.measure.genai_logits import CHUNK_BYTES, ROWS
from olivepress.measure.label_scoring import LabelTask, label_tasks, next_logprobs_of, refuse_prefixes
from olivepress.measure.perplexity import TextLikelihood, scored_bytes, strided_likelihood, window_and_stride
from olivepress.measure.reference import load_parent

__all__ = ["perplexity_pytorch", "score_labels_pytorch"]

CACHED_TOKENS = 8192  # of all completions of a batch together: about 1 GB for a model of 3.8 B parameters


def score_labels_pytorch(
    model_dir: Path,
    rows: Sequence[Row],
    labels: Sequence[str],
    *,
    adapter_dir: Path | None = None,
    progress: Progress | None = None,
) -> list[str | None]:
    """The most probable of ``labels`` (answer texts) for each row, by the parent; errors as ``score_labels_genai``."""
    model, tokenizer = load_parent(model_dir, adapter_dir=adapter_dir)
    chosen: list[str | None] = []
    for task in label_tasks(model_dir, rows, labels, lambda text: _encode(tokenizer, text)):
        chosen.append(labels[_best(model, task)] if task else None)
        if progress:
            progress(len(chosen), len(rows))
    return chosen


def _encode(tokenizer: Any, text: str) -> list[int]:
    # verbose: a text longer than the context is meant to be cut into windows.
    return [int(token) for token in tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]]


def _best(model: Any, task: LabelTask) -> int:
    """Index of the most probable completion; the first of those that are equal.

    All completions at once after one pass over the prompt: on a batch that is cheaper than a search that asks for one
    token at a time. As many in a batch as keep its cache below ``CACHED_TOKENS``.
    """
    import torch

    refuse_prefixes(task.completions)
    with torch.inference_mode():
        out = model(input_ids=torch.tensor([list(task.prompt)]), use_cache=True, logits_to_keep=1)
    first = next_logprobs_of(out.logits[0, -1].float().numpy())
    scores = [float(first[completion[0]]) for completion in task.completions]
    size = max(1, CACHED_TOKENS // len(task.prompt))
    for start in range(0, len(scores), size):
        part = task.completions[start : start + size]
        for offset, rest in enumerate(_rest(model, len(task.prompt), copy.deepcopy(out.past_key_values), part)):
            scores[start + offset] += rest
    return int(np.argmax(scores))


def _rest(model: Any, prompt: int, cache: Any, completions: Sequence[Sequence[int]]) -> list[float]:
    """Per completion the log-probability in nats of its tokens after the first."""
    import torch

    width = max(len(completion) for completion in completions) - 1
    if width == 0:
        return [0.0] * len(completions)
    ids = torch.zeros((len(completions), width), dtype=torch.long)
    mask = torch.zeros((len(completions), prompt + width), dtype=torch.long)
    for row, completion in enumerate(completions):  # padded on the right: what follows cannot be seen from before
        ids[row, : len(completion) - 1] = torch.tensor(completion[:-1], dtype=torch.long)
        mask[row, : prompt + len(completion) - 1] = 1
    cache.batch_repeat_interleave(len(completions))
    with torch.inference_mode():
        logits = model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True).logits
    return [
        sum(
            float(next_logprobs_of(logits[row, index].float().numpy())[token])
            for index, token in enumerate(completion[1:])
        )
        for row, completion in enumerate(completions)
    ]


def perplexity_pytorch(
    model_dir: Path,
    text: str,
    *,
    window: int | None = None,
    stride: int | None = None,
    adapter_dir: Path | None = None,
    progress: Progress | None = None,
) -> TextLikelihood:
    """Likelihood of ``text`` under the parent; arguments, units and errors as ``perplexity_genai``."""
    model, tokenizer = load_parent(model_dir, adapter_dir=adapter_dir)
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
    """(offset, logits float64 [<=16, vocabulary]) in order; in chunks with a cache, to bound the logits in memory."""
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
