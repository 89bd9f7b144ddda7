"""Log-probabilities of given answers to a question, in nats, by an exported model or its PyTorch parent."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.core.progress import Progress
from olivepress.data.store.examples import Example
from olivepress.measure.quality.label_scoring import LabelTask, label_tasks, next_logprobs_of
from olivepress.recipe.methods import FourBit
from olivepress.runtimes.base import append_in_chunks
from olivepress.runtimes.open import open_model
from olivepress.runtimes.pytorch import opened_parent

__all__ = ["answer_likelihoods_exported", "answer_likelihoods_pytorch"]

_BATCH = 16
Likelihoods = list[list[float] | None]


def answer_likelihoods_exported(
    model_dir: Path, rows: Sequence[Example], answers: Sequence[Sequence[str]], *, progress: Progress | None = None
) -> Likelihoods:
    """For each row the log-probabilities of its ``answers``, their end included; None where the context is too short.

    Errors as ``score_labels_exported``.
    """
    model = open_model(model_dir)
    values = Likelihoods()
    for row, texts in zip(rows, answers, strict=True):
        (task,) = label_tasks(model_dir, [row], texts, model.encode)
        values.append(list(_exported(model, task)) if task else None)
        if progress:
            progress(len(values), len(rows))
    return values


def _exported(model: Any, task: LabelTask) -> Iterator[float]:
    generation = model.generation(len(task.prompt) + max(len(each) for each in task.completions))

    def logits_of(tokens: Sequence[int]) -> np.ndarray:
        parts = [part[:, : model.vocabulary] for part in append_in_chunks(generation, tokens, model.vocabulary)]
        return np.concatenate(parts)

    after_prompt = logits_of(task.prompt)[-1:]
    for completion in task.completions:
        later = after_prompt[:0]
        if len(completion) > 1:
            generation.rewind(len(task.prompt))
            later = logits_of(completion[:-1])
        yield _sum(np.concatenate([after_prompt, later]), completion)


def answer_likelihoods_pytorch(
    model_dir: Path,
    rows: Sequence[Example],
    answers: Sequence[Sequence[str]],
    *,
    adapter_dir: Path | None = None,
    four_bit: FourBit | None = None,
    progress: Progress | None = None,
) -> Likelihoods:
    """As ``answer_likelihoods_exported``, by the PyTorch parent."""
    model, tokenizer = opened_parent(model_dir, adapter_dir, four_bit)
    values = Likelihoods()

    def encode(text: str) -> list[int]:
        return [int(token) for token in tokenizer(text, add_special_tokens=False)["input_ids"]]

    for row, texts in zip(rows, answers, strict=True):
        (task,) = label_tasks(model_dir, [row], texts, encode)
        values.append(list(_pytorch(model, task)) if task else None)
        if progress:
            progress(len(values), len(rows))
    return values


def _pytorch(model: Any, task: LabelTask) -> Iterator[float]:
    """The prompt once, then a batch of completions at a time on copies of its cache, padded on the right."""
    import torch

    with torch.inference_mode():
        out = model(input_ids=torch.tensor([list(task.prompt)]), use_cache=True, logits_to_keep=1)
    after_prompt = out.logits[0, -1:].float().numpy()
    for start in range(0, len(task.completions), _BATCH):
        batch = task.completions[start : start + _BATCH]
        width = max(len(each) for each in batch)
        ids = torch.zeros((len(batch), width), dtype=torch.long)
        mask = torch.ones((len(batch), len(task.prompt) + width), dtype=torch.long)
        for number, completion in enumerate(batch):
            ids[number, : len(completion)] = torch.tensor(completion, dtype=torch.long)
            mask[number, len(task.prompt) + len(completion) :] = 0
        cache = copy.deepcopy(out.past_key_values)
        cache.batch_repeat_interleave(len(batch))
        with torch.inference_mode():
            logits = model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True).logits
        for number, completion in enumerate(batch):
            later = logits[number, : len(completion) - 1].float().numpy()
            yield _sum(np.concatenate([after_prompt, later]), completion)


def _sum(logits: np.ndarray, completion: Sequence[int]) -> float:
    """The log-probability of the tokens, of which row i of ``logits`` [tokens, vocabulary] predicts number i."""
    return float(sum(next_logprobs_of(row)[token] for row, token in zip(logits, completion, strict=True)))
