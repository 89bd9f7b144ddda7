"""Continual learning: the recipe that goes on from a trained model, and what that model forgets. Pure functions."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import ValidationError

from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import DataError, UsageError
from olivepress.core.yaml_document import Record
from olivepress.measure.worker.records import Answer
from olivepress.recipe.schema import Data, Recipe
from olivepress.report.answers import answer_metric, is_correct
from olivepress.report.registry import METRICS
from olivepress.stats.paired import bootstrap_means, compare_shares
from olivepress.train.examine_curve import rounded

__all__ = ["EPOCHS", "Continuation", "Score", "Version", "continued_recipe", "metric_of", "read_continuation", "score"]

EPOCHS = 1.0
_SLOWER = 3  # the learning rate, divided by this
_EXACT = "exact_match"


class Version(Record):
    """A version of the data by its name and sha256."""

    name: str
    version: str


class Score(Record):
    """The ``metric`` of ``rows`` test rows of a version, by the model before and after; ``difference`` = after - before
    with its 95 % interval, paired by row. ``is_new``: the version that was trained on now."""

    name: str
    version: str
    is_new: bool
    metric: str
    rows: int
    before: float
    after: float
    difference: float
    ci_low: float
    ci_high: float
    p_value: float

    @property
    def verdict(self) -> str:
        """In one or two words."""
        if self.ci_high < 0:
            return "worse" if self.is_new else "forgotten"
        if self.ci_low > 0:
            return "better"
        return "no difference shown"


class Continuation(Record):
    """What a recipe goes on from: ``versions`` of the data, the oldest first, the last one trained on now.

    ``prepared_as``: how new rows are read, by the recipe that the first of these trainings began with; the recipe that
    is written names prepared data and has no such keys.
    """

    schema_version: int = 1
    run: str
    artifact_sha256: str
    share: float
    learning_rate: float
    epochs: float
    rows_trained: int
    rows_replayed: int
    versions: tuple[Version, ...]
    prepared_as: Data | None = None
    scores: tuple[Score, ...] = ()


def read_continuation(path: Path) -> Continuation | None:
    """None where there is no file. DataError for one that cannot be read."""
    if not path.is_file():
        return None
    try:
        return Continuation.model_validate_json(json.dumps(read_json(path, CONFIG, DataError)))
    except (ValidationError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise DataError(f"{path}: is no record of a continued training ({reason})", next_step="remove it") from error


def continued_recipe(
    recipe: Recipe,
    *,
    name: str,
    model: Path,
    dataset: Path,
    labels: Collection[str | None],
    learning_rate: float | None,
    epochs: float,
) -> Recipe:
    """The recipe on other data, from the trained model: a third of the learning rate, one epoch, no early stopping, no
    monitor, no search, no weights of labels other than ``labels``, none of tasks, which rows that are replayed do not
    have any more, and no adapter to start from, which is in the model.

    UsageError for a recipe of several adapters, and for a name or a number that no recipe takes.
    """
    if recipe.data is None:
        raise UsageError(
            f"recipe {recipe.name} packages several adapters",
            next_step=f"name the fine-tune of one of them, as {recipe.name}.{next(iter(recipe.adapters))}",
        )
    rate = learning_rate or rounded(recipe.finetune.learning_rate / _SLOWER)
    shorter: dict[str, Any] = {
        "learning_rate": rate,
        "epochs": epochs,
        "max_steps": None,
        "early_stopping": None,
        "monitor": None,
    }
    weights = {label: weight for label, weight in recipe.finetune.label_weights.items() if label in labels}
    shorter |= {"start_from": None, "task_weights": {}, "label_weights": weights}
    fields: dict[str, Any] = recipe.model_dump(mode="json")
    changed = {
        "name": name,
        "description": f"{recipe.name}, trained further"[:200],
        "model": {"path": model.as_posix(), "family": recipe.model.family},
        "data": {"source": dataset.as_posix(), "max_length": recipe.data.max_length},
        "finetune": fields["finetune"] | shorter,
        "search": None,
    }
    try:
        return Recipe.model_validate_json(json.dumps(fields | changed))
    except ValidationError as error:
        problem = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in problem["loc"])
        raise UsageError(
            f"{name}: its recipe would be wrong: {key}: {problem['msg']}",
            next_step="change --name, --learning-rate or --epochs",
        ) from error


def metric_of(recipe: Recipe) -> str:
    """By which answers are compared: as the recipe's budget says, exact match where it says nothing."""
    budget = recipe.budget.get("all")
    return answer_metric(dict(budget.limits) if budget is not None else {})


def score(version: Version, metric: str, before: Sequence[Answer], after: Sequence[Answer], *, is_new: bool) -> Score:
    """Both models' answers to the same rows, in the same order."""
    first, second = (np.asarray([_score_of(metric, each) for each in answers]) for answers in (before, after))
    if metric == _EXACT:
        shares = compare_shares(first.astype(bool), second.astype(bool))
        low, high, p_value = shares.ci_low, shares.ci_high, shares.p_value
    else:
        [(low, high, p_value)] = bootstrap_means((second - first)[:, None])
    return Score(
        name=version.name,
        version=version.version,
        is_new=is_new,
        metric=metric,
        rows=len(first),
        before=float(first.mean()),
        after=float(second.mean()),
        difference=float(second.mean() - first.mean()),
        ci_low=float(low),
        ci_high=float(high),
        p_value=float(p_value),
    )


def _score_of(metric: str, answer: Answer) -> float:
    compare = METRICS[metric].score
    if metric == _EXACT or compare is None:
        return float(is_correct(answer.output, answer.expected))
    return float(compare(answer.output, answer.expected))
