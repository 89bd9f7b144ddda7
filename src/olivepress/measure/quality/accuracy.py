"""Greedy answers of an exported model on a held-out split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from olivepress.core.errors import JobError
from olivepress.core.jsonl import append_json_line, read_json_lines
from olivepress.core.progress import Progress
from olivepress.data.store.examples import Example as DatasetExample
from olivepress.report.task_metrics import Example
from olivepress.runtimes.base import LanguageModel
from olivepress.runtimes.chat_template.model_config import check_context, context_length, pad_token_id
from olivepress.runtimes.chat_template.prompts import encode_parts, render_prompt
from olivepress.runtimes.open import load_runtime

__all__ = [
    "AnswerStore",
    "answer_budget",
    "greedy_answers",
    "measure_exported",
]

MARGIN_TOKENS = 8  # beyond the longest expected answer, so that an answer that does not end counts as wrong


def answer_budget(expected_tokens: Sequence[int]) -> int:
    """New tokens to allow: the longest expected answer in tokens plus a margin."""
    return max(expected_tokens, default=0) + MARGIN_TOKENS


def greedy_answers(
    model: LanguageModel,
    model_dir: Path,
    prompts_token_ids: Sequence[Sequence[int]],
    max_new_tokens: int,
    *,
    progress: Progress | None = None,
) -> list[list[int]]:
    """Greedy continuation of each prompt, as token ids without the EOS. Stops at any EOS of the model's config.

    An answer ends where the context does. ContextExceeded when the context does not even hold a prompt.
    """
    return list(_answers(model, model_dir, prompts_token_ids, max_new_tokens, progress))


def _answers(
    model: LanguageModel,
    model_dir: Path,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
    progress: Progress | None,
) -> Iterator[list[int]]:
    limit, pad = context_length(model_dir), pad_token_id(model_dir)
    check_context(model_dir, prompts)
    for done, prompt in enumerate(prompts, start=1):
        longest = len(prompt) + max_new_tokens
        if len(prompt) > 1 and prompt[-1] == pad:
            # genai 0.14.1 treats trailing pad ids as padding and samples from the position before them (tested).
            raise JobError(
                f"{model_dir}: a prompt ends with the pad token {pad}, which genai would ignore",
                next_step="set another pad_token_id in genai_config.json",
            )
        generation = model.generation(longest if limit is None else min(longest, limit))
        generation.append(prompt)
        while not generation.done():
            generation.step()
        yield generation.tokens()[len(prompt) :]
        if progress:
            progress(done, len(prompts))


class AnswerStore:
    """Answers so far, by example id. Each is appended to ``path``, from where an interrupted bench resumes."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.outputs: dict[str, str] = {}
        for pair in read_json_lines(path) if path is not None else ():
            if isinstance(pair, list) and len(pair) == 2:
                self.outputs[str(pair[0])] = str(pair[1])

    def add(self, row_id: str, output: str) -> None:
        """Store one answer."""
        self.outputs[row_id] = output
        if self.path is not None:
            append_json_line(self.path, [row_id, output], sync=False)

    def missing(self, rows: Sequence[DatasetExample]) -> list[DatasetExample]:
        """The rows that have no answer yet."""
        return [row for row in rows if row.id not in self.outputs]

    def examples(self, rows: Sequence[DatasetExample], expected: Sequence[str]) -> list[Example]:
        """All answers in the order of ``rows``, each with the expected one. KeyError when an answer is missing."""
        return [
            Example(id=row.id, output=self.outputs[row.id], expected=text, label=row.label)
            for row, text in zip(rows, expected, strict=True)
        ]


def measure_exported(
    model_dir: Path,
    rows: Sequence[DatasetExample],
    *,
    whole: bool = False,
    budget: int | None = None,
    store: AnswerStore | None = None,
    progress: Progress | None = None,
) -> tuple[list[Example], int]:
    """Answer all rows with an exported model and its own tokenizer.

    Returns the examples in order and the budget of new tokens per answer, which is computed from the rows' expected
    answers when ``budget`` is not given. An answer ends where the context does; with ``whole``, ContextExceeded when
    the context has no room for the full budget.
    """
    model = load_runtime(model_dir)(model_dir)
    store = store or AnswerStore()
    rendered = {row.id: render_prompt(model_dir, row.messages, row.tools) for row in rows}
    expected = (prompt.completion_parts for prompt in rendered.values())
    budget = budget or answer_budget([len(encode_parts(model.encode, parts)) for parts in expected])
    missing = store.missing(rows)
    prompts = [encode_parts(model.encode, rendered[row.id].prefix_parts) for row in missing]
    if whole:
        check_context(model_dir, prompts, room=budget)
    for row, ids in zip(missing, _answers(model, model_dir, prompts, budget, progress), strict=True):
        store.add(row.id, model.decode(ids))
    return store.examples(rows, [rendered[row.id].answer for row in rows]), budget
