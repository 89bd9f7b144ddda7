"""What runs of the same task already know: a search begins with them and not from nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from olivepress.core.errors import OlivepressError
from olivepress.pipeline.search.common import loss_file
from olivepress.pipeline.search.trial import Searched, trial_recipe
from olivepress.recipe.finetune import LOSS, Finetune
from olivepress.recipe.schema import Recipe
from olivepress.study.space import Params, contains, params_of, same
from olivepress.track.runs import TrackedRun, all_runs

__all__ = ["Known", "known_points"]

_MOST_TRIED = 3  # settings of longer or other runs that are tried first
_NOT_COMPARED = {"report_to", "save_steps", "gradient_checkpointing", "seed"}


@dataclass(frozen=True, kw_only=True)
class Known:
    """A point to begin with; ``value`` where a run of just this length has measured it."""

    params: Params
    origin: str
    value: float | None = None


def known_points(searched: Searched) -> list[Known]:
    """Points of tracked fine-tunes of the same data and base: those that a trial would repeat with their value, and the
    best settings of others to be tried. Of a joint search only these: a loss says nothing about an artifact."""
    exact, others = dict[str, Known](), list[tuple[float, Known]]()
    for run, settings, value in _runs_of_task(searched):
        params = params_of(searched.search, settings)
        if not contains(searched.search, searched.recipe.finetune, params):
            continue
        if searched.search.joint is None and _is_a_trial(searched, params, settings):
            exact[same(params)] = Known(params=params, origin=f"run {run.name}", value=value)
        else:
            others.append((value, Known(params=params, origin=f"settings of run {run.name}")))
    others.sort(key=lambda each: each[0], reverse=searched.higher)
    tried = dict[str, Known]()
    for _, known in others:
        if same(known.params) not in exact and len(tried) < _MOST_TRIED:
            tried.setdefault(same(known.params), known)
    return [*exact.values(), *tried.values()]


def _runs_of_task(searched: Searched) -> Iterator[tuple[TrackedRun, Finetune, float]]:
    """Finished fine-tunes of the same rows, base model and file of ``finetune.loss``, whose validation metric is
    recorded."""
    loss = loss_file(searched.recipe)
    for run in all_runs():
        facts = run.facts
        if run.started.kind != "finetune" or run.status != "finished":
            continue
        if facts.dataset_version != searched.dataset.version or facts.base_model != searched.base_model:
            continue
        value = _value(run, searched.metric)
        recipe = _recipe(run)
        if value is None or recipe is None or _seen_by(recipe) != _seen_by(searched.recipe):
            continue
        if facts.loss_sha256 == loss:
            yield run, recipe.finetune, value


def _value(run: TrackedRun, metric: str) -> float | None:
    """The lowest validation loss of a run, which is the checkpoint that ships; no other metric has its best kept."""
    curve = run.curves.get("validation_loss") if metric == LOSS else None
    return None if curve is None else curve.lowest


def _recipe(run: TrackedRun) -> Recipe | None:
    try:
        return Recipe.model_validate_json(json.dumps(run.started.settings))
    except ValueError:
        return None


def _seen_by(recipe: Recipe) -> tuple[str, str | None, int | None]:
    """What a loss depends on besides data and settings: the weights' whole path (of an absolute one a record of facts
    has the name only) and revision, and which rows are too long."""
    return recipe.model.path, recipe.model.revision, recipe.data.max_length if recipe.data else None


def _is_a_trial(searched: Searched, params: Params, settings: Finetune) -> bool:
    """Whether a trial of these params would train with just these settings, but for what changes no result."""
    try:
        trial = trial_recipe(searched, params, name="trial", length=searched.search.length).finetune
    except OlivepressError:
        return False
    return all(
        getattr(settings, key) == getattr(trial, key) for key in Finetune.model_fields if key not in _NOT_COMPARED
    )
