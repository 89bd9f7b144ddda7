"""Greedy answers on a held-out split and the metrics of those answers.

A metric is one function ``Sequence[Example] -> Measurement`` under ``@task_metric``; that line also declares it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.errors import JobError
from olivepress.measure.dataset import Row
from olivepress.measure.intervals import wilson
from olivepress.measure.latency import import_genai
from olivepress.measure.prompts import context_length, pad_token_id, render_prompt
from olivepress.measure.registry import Direction, Unit, declare
from olivepress.measure.report import Measurement, measured, not_measured

__all__ = [
    "TASK_METRICS",
    "Example",
    "Progress",
    "answer_budget",
    "genai_answers",
    "genai_token_ids",
    "greedy_divergence",
    "is_correct",
    "measure_genai",
    "task_metric",
    "task_metrics",
]

Progress = Callable[[int, int], None]
MARGIN_TOKENS = 8  # room past the longest expected answer, so that an answer that runs on is seen to be wrong


@dataclass(frozen=True, kw_only=True)
class Example:
    """One answered example; ``output`` is the decoded text without special tokens."""

    id: str
    output: str
    expected: str

    @property
    def correct(self) -> bool:
        return is_correct(self.output, self.expected)


TaskMetric = Callable[[Sequence[Example]], Measurement]
TASK_METRICS: dict[str, TaskMetric] = {}


def task_metric(
    name: str, unit: Unit, direction: Direction, title: str, description: str
) -> Callable[[TaskMetric], TaskMetric]:
    """Register the decorated function as the metric ``name`` of a task's answers."""

    def register(function: TaskMetric) -> TaskMetric:
        declare(name, unit, direction, title, description)
        TASK_METRICS[name] = function
        return function

    return register


def is_correct(output: str, expected: str) -> bool:
    """Exact match; only white space around the answer is forgiven."""
    return output.strip() == expected.strip()


@task_metric("exact_match", "ratio", "higher", "Exact match", "Share of greedy answers equal to the expected one.")
def exact_match(examples: Sequence[Example]) -> Measurement:
    """Share of correct answers with its Wilson interval."""
    hits = sum(e.correct for e in examples)
    return measured("exact_match", hits / len(examples), n=len(examples), interval=wilson(hits, len(examples)))


@task_metric("json_valid", "ratio", "higher", "JSON valid", "Share of greedy answers that are one JSON value.")
def json_valid(examples: Sequence[Example]) -> Measurement:
    """Share of outputs that parse, among the examples whose expected answer is a JSON object or array."""
    asked = [e for e in examples if isinstance(_json(e.expected), dict | list)]
    if not asked:
        return not_measured("json_valid", "no expected answer is a JSON object or array")
    hits = sum(isinstance(_json(e.output), dict | list) for e in asked)
    return measured("json_valid", hits / len(asked), n=len(asked), interval=wilson(hits, len(asked)))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def task_metrics(examples: Sequence[Example]) -> dict[str, Measurement]:
    """All registered metrics of these answers; null with the reason when there are none."""
    if not examples:
        return {name: not_measured(name, "no dataset was given") for name in TASK_METRICS}
    return {name: function(examples) for name, function in TASK_METRICS.items()}


def answer_budget(expected_tokens: Sequence[int]) -> int:
    """New tokens to allow: the longest expected answer in tokens plus a margin."""
    return max(expected_tokens, default=0) + MARGIN_TOKENS


def genai_token_ids(model_dir: Path, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of genai's own tokenizer, to be held against Hugging Face's id by id."""
    og = import_genai()
    tokenizer = og.Tokenizer(og.Model(str(model_dir)))
    return [encode(tokenizer, text) for text in texts]


def encode(tokenizer: Any, text: str) -> list[int]:
    return [int(token) for token in tokenizer.encode(text)]


def genai_answers(
    model_dir: Path,
    prompts_token_ids: Sequence[Sequence[int]],
    max_new_tokens: int,
    *,
    progress: Progress | None = None,
) -> list[list[int]]:
    """Greedy continuation of each prompt, as token ids without the EOS. Stops at any EOS of genai_config.json.

    A prompt is answered as far as the context allows; JobError when it does not even hold the prompt.
    """
    og = import_genai()
    model = og.Model(str(model_dir))
    return list(_answers(og, model, model_dir, prompts_token_ids, max_new_tokens, progress))


def _answers(
    og: Any,
    model: Any,
    model_dir: Path,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    progress: Progress | None,
) -> Iterator[list[int]]:
    limit, pad = context_length(model_dir), pad_token_id(model_dir)
    for done, prompt in enumerate(prompts, start=1):
        longest = len(prompt) + max_new_tokens
        if limit is not None and len(prompt) >= limit:
            raise JobError(f"{model_dir}: a prompt of {len(prompt)} tokens does not fit its context of {limit}")
        if len(prompt) > 1 and prompt[-1] == pad:
            # genai 0.14.1 takes trailing pad ids for padding and samples from the position before them (ran).
            raise JobError(
                f"{model_dir}: a prompt ends with the pad token {pad}, which genai would ignore",
                next_step="set another pad_token_id in genai_config.json",
            )
        params = og.GeneratorParams(model)
        params.set_search_options(
            do_sample=False,
            num_beams=1,
            min_length=0,
            max_length=longest if limit is None else min(longest, limit),
            repetition_penalty=1.0,  # the builder copies the model card's sampling advice; greedy means greedy
            no_repeat_ngram_size=0,
        )
        generator = og.Generator(model, params)
        generator.append_tokens(list(prompt))
        while not generator.is_done():
            generator.generate_next_token()
        # The sequence does not include the EOS that ended it (ran, genai 0.14.1).
        yield [int(token) for token in generator.get_sequence(0)[len(prompt) :]]
        if progress:
            progress(done, len(prompts))


def measure_genai(
    model_dir: Path, rows: Sequence[Row], *, progress: Progress | None = None
) -> tuple[list[Example], int]:
    """Answer all rows with an ONNX model, tokenized by genai itself. Returns the examples and the token budget."""
    og = import_genai()
    model = og.Model(str(model_dir))
    tokenizer = og.Tokenizer(model)
    rendered = [render_prompt(model_dir, row.messages) for row in rows]
    budget = answer_budget([len(tokenizer.encode(r.completion)) for r in rendered])
    prompts = [encode(tokenizer, r.prefix) for r in rendered]
    answers = _answers(og, model, model_dir, prompts, budget, progress)
    examples = [
        Example(id=row.id, output=str(tokenizer.decode(ids)) if ids else "", expected=row.expected)
        for row, ids in zip(rows, answers, strict=True)
    ]
    return examples, budget


def greedy_divergence(first: Sequence[int], second: Sequence[int]) -> int | None:
    """Index of the first token in which two greedy answers differ; None when they are equal, length included."""
    for index, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b:
            return index
    return None if len(first) == len(second) else min(len(first), len(second))
