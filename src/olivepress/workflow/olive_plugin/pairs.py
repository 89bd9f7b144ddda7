"""Preferences as tokens: the prompt, and the two answers that follow it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from olivepress.core.errors import DataError
from olivepress.data.store.examples import Example
from olivepress.workflow.olive_plugin.row_counts import RowCounts, count_rows
from olivepress.workflow.olive_plugin.rows import Rows
from olivepress.workflow.olive_plugin.supervision import IGNORE_INDEX, Supervised, supervise

__all__ = ["rejected_row", "tokenized_pairs"]


def rejected_row(row: Example) -> Example:
    """The conversation with the rejected answer. DataError for a row without one."""
    if row.rejected is None:
        raise DataError(
            f"row {row.id} has no rejected answer, which dpo and orpo train on",
            next_step="give data with chosen and rejected answers, or set finetune.method: lora",
        )
    return replace(row, messages=(*row.messages[:-1], row.rejected), rejected=None)


def tokenized_pairs(
    rows: Sequence[Example],
    model_path: str,
    *,
    max_length: int,
    revision: str | None = None,
    on_counts: Callable[[RowCounts], None] | None = None,
) -> Rows:
    """Rows → ``prompt_ids``, ``chosen_ids`` and ``rejected_ids``, tokenized as for any other training.

    A pair with an answer that makes it longer than ``max_length`` is left out, never cut. DataError as ``supervise``,
    and when no pair is left.
    """
    sides = [
        supervise(side, model_path, max_length=sys.maxsize, revision=revision)
        for side in (rows, [rejected_row(row) for row in rows])
    ]
    pairs = [_pair(row, *both) for row, *both in zip(rows, *sides, strict=True)]
    lengths = [max(len(example.input_ids) for example in both) for both in zip(*sides, strict=True)]
    if on_counts is not None:
        on_counts(count_rows(lengths, [len(p["chosen_ids"]) + len(p["rejected_ids"]) for p in pairs], max_length))
    kept = [pair for pair, length in zip(pairs, lengths, strict=True) if length <= max_length]
    if not kept:
        raise DataError(
            f"none of {len(rows)} pairs fits max_length {max_length} (the shortest has {min(lengths, default=0)})",
            next_step="raise data.max_length in the recipe",
        )
    return Rows(kept)


def _pair(row: Example, chosen: Supervised, rejected: Supervised) -> dict[str, Any]:
    prompts = [example.input_ids[: _prompt_length(example)] for example in (chosen, rejected)]
    if prompts[0] != prompts[1]:
        raise DataError(
            f"row {row.id}: the chat template writes its prompt differently before the two answers",
            next_step="give the model another chat template, or leave the row out",
        )
    answers = [list(example.input_ids[len(prompts[0]) :]) for example in (chosen, rejected)]
    return {"prompt_ids": list(prompts[0]), "chosen_ids": answers[0], "rejected_ids": answers[1]}


def _prompt_length(example: Supervised) -> int:
    return next(place for place, label in enumerate(example.labels) if label != IGNORE_INDEX)
