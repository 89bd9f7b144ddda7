"""Which of the advised changes can be made: a value that the recipe's checks refuse is no advice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic import ValidationError

from olivepress.recipe.finetune import Finetune
from olivepress.recipe.schema import Recipe
from olivepress.train.evidence import RowFacts
from olivepress.train.finding import Change, Finding
from olivepress.workflow.evaluation import evaluation_of, patience_problem, training_steps

__all__ = ["changed_recipe", "possible"]

_IN_WORDS = ("data.source", "model.path")  # what to look for, no value


def possible(recipe: Recipe, findings: Sequence[Finding], rows: RowFacts | None) -> tuple[Finding, ...]:
    """The findings, each without the changes that cannot be made after those before them."""
    return tuple(replace(each, changes=_accepted(recipe, each.changes, rows)) for each in findings)


def _accepted(recipe: Recipe, changes: Sequence[Change], rows: RowFacts | None) -> tuple[Change, ...]:
    accepted = list[Change]()
    for change in changes:
        changed = changed_recipe(recipe, [*accepted, change])
        known = change.key in _IN_WORDS or (changed is not None and _is_accepted(changed, rows))
        if known and change.to != change.now:
            accepted.append(change)
    return tuple(accepted)


def changed_recipe(recipe: Recipe, changes: Sequence[Change]) -> Recipe | None:
    """The recipe with all of these changes but those in words; None when its schema refuses them."""
    fields: dict[str, Any] = recipe.model_dump(mode="json")
    for change in changes:
        if change.key in _IN_WORDS:
            continue
        *sections, name = change.key.split(".")
        section = fields
        for each in sections:
            section[each] = section.get(each) or {}
            section = section[each]
        section[name] = change.to
    try:
        return Recipe.model_validate_json(json.dumps(fields))
    except ValidationError:
        return None


def _is_accepted(recipe: Recipe, rows: RowFacts | None) -> bool:
    """As far as the model and the number of rows are known: what a plan of it would be refused for."""
    settings = recipe.finetune
    if rows is None:
        return not settings.max_steps or _stops_in_time(settings, 1)
    if not _stops_in_time(settings, rows.rows):
        return False
    if recipe.data is None:
        return True
    too_wide = rows.width is not None and settings.r > rows.width
    too_long = rows.context is not None and recipe.data.max_length > rows.context
    return not too_wide and not too_long


def _stops_in_time(settings: Finetune, train_rows: int) -> bool:
    """Whether early stopping and the quality monitor can take effect in a run of this length."""
    evaluation = evaluation_of(settings, train_rows=train_rows, validation_rows=2)
    stopping, monitor = settings.early_stopping, settings.monitor
    if stopping is not None and evaluation is not None and patience_problem(stopping.patience, evaluation.count):
        return False
    return monitor is None or monitor.every < training_steps(settings, train_rows)
