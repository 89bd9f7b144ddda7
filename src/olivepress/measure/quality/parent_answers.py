"""Greedy answers of the PyTorch parent."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from olivepress.core.progress import Progress
from olivepress.data.store.examples import Example as DatasetExample
from olivepress.measure.quality.accuracy import AnswerStore, answer_budget
from olivepress.recipe.methods import FourBit
from olivepress.report.task_metrics import Example
from olivepress.runtimes.chat_template.model_config import check_context, context_length, eos_token_ids
from olivepress.runtimes.chat_template.prompts import encode_parts, render_prompt
from olivepress.runtimes.pytorch import opened_parent

__all__ = ["greedy_by_index", "measure_pytorch"]


def measure_pytorch(
    model_dir: Path,
    rows: Sequence[DatasetExample],
    *,
    adapter_dir: Path | None = None,
    four_bit: FourBit | None = None,
    batch_size: int = 16,
    whole: bool = False,
    budget: int | None = None,
    store: AnswerStore | None = None,
    progress: Progress | None = None,
) -> tuple[list[Example], int]:
    """Answer all rows with the parent. Returns the examples in order and the budget of new tokens per answer.

    ``budget`` is computed from the rows' expected answers when it is not given. An answer ends where the context does;
    with ``whole``, ContextExceeded when the context has no room for the full budget.
    """
    store = store or AnswerStore()
    rendered = {row.id: render_prompt(model_dir, row.messages, row.tools) for row in rows}
    answers, missing = [prompt.answer for prompt in rendered.values()], store.missing(rows)
    if budget is not None and not missing:  # the model, which may take a minute to load, is not needed
        return store.examples(rows, answers), budget
    model, tokenizer = opened_parent(model_dir, adapter_dir, four_bit)
    expected = (prompt.completion_parts for prompt in rendered.values())
    budget = budget or answer_budget([len(_encode(tokenizer, parts)) for parts in expected])
    prompts = [_encode(tokenizer, rendered[row.id].prefix_parts) for row in missing]
    if whole:
        check_context(model_dir, prompts, room=budget)
    for index, ids in greedy_by_index(model, model_dir, prompts, budget, batch_size=batch_size, progress=progress):
        text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        store.add(missing[index].id, text)
    return store.examples(rows, answers), budget


def _encode(tokenizer: Any, parts: Sequence[str]) -> list[int]:
    return encode_parts(lambda text: tokenizer(text, add_special_tokens=False)["input_ids"], parts)


def greedy_by_index(
    model: Any,
    model_dir: Path,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    *,
    batch_size: int,
    progress: Progress | None = None,
) -> Iterator[tuple[int, list[int]]]:
    """(index of the prompt, token ids of its answer without the EOS); prompts of similar length share a batch.

    ContextExceeded when the context does not even hold a prompt.
    """
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
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))  # similar lengths together: less padding
    for start in range(0, len(order), batch_size):
        batch = order[start : start + batch_size]
        for index, ids in zip(batch, _batch(model, [prompts[i] for i in batch]), strict=True):
            room = max_new_tokens
            if limit is not None:
                room = min(room, limit - len(prompts[index]))
            yield index, _until(ids[:room], set(eos))
        if progress:
            progress(start + len(batch), len(order))


def _batch(model: Any, prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """The generated token ids of each prompt, padding and EOS included."""
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
    """The ids before the first EOS."""
    for index, token in enumerate(ids):
        if token in eos:
            return list(ids[:index])
    return list(ids)
