"""The model that is being trained answers a few validation rows: the task's own metrics of it, as it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import GenerationConfig

from olivepress.core.errors import DataError
from olivepress.data.store.examples import Example as Row
from olivepress.measure.quality.accuracy import answer_budget
from olivepress.report.task_metrics import Answers, Example, task_metrics
from olivepress.runtimes.chat_template.model_config import eos_token_ids
from olivepress.runtimes.chat_template.prompts import encode_parts, render_prompt
from olivepress.workflow.olive_plugin.supervision import load_tokenizer

__all__ = ["Given", "Questions", "answered", "given_answers", "make_questions"]


@dataclass(frozen=True, kw_only=True)
class Given:
    """An answer of the model; ``ended`` by itself, not by the budget."""

    text: str
    ended: bool


@dataclass(frozen=True, kw_only=True)
class Questions:
    """Validation rows as the model is asked them; an answer may have ``budget`` tokens."""

    rows: tuple[Row, ...]
    prompts: tuple[tuple[int, ...], ...]
    expected: tuple[str, ...]
    budget: int
    ends: tuple[int, ...]
    tokenizer: Any
    labels: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None

    def metrics(self, outputs: Sequence[str]) -> dict[str, float]:
        """The task's metrics of these answers, without those that cannot be measured on these rows."""
        examples = tuple(
            Example(id=row.id, output=output, expected=expected, label=row.label)
            for row, output, expected in zip(self.rows, outputs, self.expected, strict=True)
        )
        measured = task_metrics(Answers(examples=examples, labels=self.labels, json_schema=self.json_schema))
        return {name: each.value for name, each in measured.items() if each.value is not None}


def make_questions(
    rows: Sequence[Row],
    model_path: str,
    *,
    metric: str | None,
    revision: str | None = None,
    labels: Sequence[str] = (),
    json_schema: Mapping[str, Any] | None = None,
) -> Questions:
    """The prompts of ``rows``, tokenized as for training. DataError when ``metric`` cannot be measured on them."""
    tokenizer, directory = load_tokenizer(model_path, revision)
    rendered = [render_prompt(directory, row.messages, row.tools) for row in rows]

    def encode(text: str) -> list[int]:
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    questions = Questions(
        rows=tuple(rows),
        prompts=tuple(tuple(encode_parts(encode, each.prefix_parts)) for each in rendered),
        expected=tuple(each.answer for each in rendered),
        budget=answer_budget([len(encode_parts(encode, each.completion_parts)) for each in rendered]),
        ends=eos_token_ids(Path(directory)),
        tokenizer=tokenizer,
        labels=tuple(labels),
        json_schema=json_schema,
    )
    if metric is not None and metric not in questions.metrics(questions.expected):
        raise DataError(
            f"{metric} cannot be measured on these {len(rows)} validation rows",
            next_step="set another metric in finetune.early_stopping",
        )
    return questions


def answered(model: Any, questions: Questions) -> dict[str, float]:
    """The task's metrics of the model's greedy answers, by name. The model is left as it was."""
    return questions.metrics([each.text for each in given_answers(model, questions)])


def given_answers(model: Any, questions: Questions) -> list[Given]:
    """The model's greedy answers. The model is left as it was."""
    was_training = model.training
    generates = model.get_base_model() if hasattr(model, "peft_config") else model
    settings = generates.generation_config
    # The model card's sampling advice (repetition penalty, beams) must not leak into greedy answers.
    generates.generation_config = GenerationConfig(
        do_sample=False,
        num_beams=1,
        max_new_tokens=questions.budget,
        eos_token_id=list(questions.ends),
        pad_token_id=questions.ends[0],
        use_cache=True,
    )
    model.eval()
    try:
        with torch.no_grad():
            return [_answer(model, prompt, questions) for prompt in questions.prompts]
    finally:
        model.train(was_training)
        generates.generation_config = settings


def _answer(model: Any, prompt: Sequence[int], questions: Questions) -> Given:
    ids = torch.tensor([prompt], device=model.device)
    generated = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids))
    text: str = questions.tokenizer.decode(
        generated[0, len(prompt) :], skip_special_tokens=True, clean_up_tokenization_spaces=False
    )
    return Given(text=text, ended=int(generated[0, -1]) in questions.ends)
