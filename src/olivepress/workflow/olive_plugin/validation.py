"""The validation split of a fine-tune: the rows whose loss is computed, and how the checkpoint that ships is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from olive.data.registry import Registry as DataRegistry

from olivepress.core.child.messages import reports_errors
from olivepress.core.errors import DataError
from olivepress.data.store.examples import Example
from olivepress.data.store.reader import dataset_labels, read_facts
from olivepress.recipe.finetune import LOSS
from olivepress.workflow.olive_plugin.answers import Questions, make_questions
from olivepress.workflow.olive_plugin.pairs import tokenized_pairs
from olivepress.workflow.olive_plugin.rows import Rows, as_inputs, spread
from olivepress.workflow.olive_plugin.selection import Selection
from olivepress.workflow.olive_plugin.supervision import TrainOn, short_rows, supervise

__all__ = ["Validation", "take_validation", "validation_rows"]

_LEAST_ROWS = 2


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What the training monitor does after each evaluation."""

    selection: Selection
    questions: Questions | None = None


# Olive loads the data before it makes its trainer, which takes callbacks by name and without arguments.
_current: list[Validation] = []


def take_validation() -> Validation | None:
    """That of the workflow whose trainer is being made; None for one without an evaluation."""
    return _current.pop() if _current else None


@DataRegistry.register_pre_process("olivepress_validation")
@reports_errors
def validation_rows(
    dataset: Rows,
    model_path: str,
    max_length: int,
    max_rows: int,
    selection: Mapping[str, Any],
    answers: int = 0,
    revision: str | None = None,
    train_on: TrainOn = "answer",
    pairs: bool = False,
) -> Rows:
    """Data component: ``max_rows`` rows spread over the split → ``input_ids``, ``attention_mask`` and ``labels``; with
    ``pairs`` the columns of ``tokenized_pairs``.

    ``selection`` are the fields of ``Selection``; the model answers the first ``answers`` of these rows. DataError when
    fewer than two rows are short enough.
    """
    rows: list[Example] = dataset.items
    chosen = short_rows(
        [rows[index] for index in spread(len(rows), max_rows)],
        model_path,
        max_length=max_length,
        most=max_rows,
        revision=revision,
    )
    _check_count(len(chosen), len(rows), max_length)
    if pairs:
        made = tokenized_pairs(chosen, model_path, max_length=max_length, revision=revision)
        _check_count(len(made), len(rows), max_length)  # a rejected answer may be the longer one
    else:
        supervised = supervise(chosen, model_path, max_length=max_length, revision=revision, train_on=train_on)
        made = as_inputs(supervised)
    chooses = Selection.model_validate(selection)
    questions = _questions(dataset, chosen[:answers], model_path, revision, chooses)
    _current[:] = [Validation(selection=chooses, questions=questions)]
    print(f"olivepress: evaluated on {len(made)} of {len(rows)} validation rows")
    return made


def _check_count(count: int, rows: int, max_length: int) -> None:
    """DataError for too few rows that are short enough."""
    if count < _LEAST_ROWS:
        raise DataError(
            f"{count} of {rows} validation rows have at most {max_length} tokens, expected at least {_LEAST_ROWS} to "
            "choose the best checkpoint by",
            next_step="raise data.max_length, or set finetune.eval_steps: 0 with finetune.keep: last",
        )


def _questions(
    dataset: Rows, rows: list[Example], model_path: str, revision: str | None, selection: Selection
) -> Questions | None:
    if not rows:
        return None
    assert dataset.directory is not None
    return make_questions(
        rows,
        model_path,
        revision=revision,
        metric=None if selection.metric == LOSS else selection.metric,
        labels=dataset_labels(dataset.directory),
        json_schema=read_facts(dataset.directory).get("json_schema"),
    )
