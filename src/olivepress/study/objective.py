"""What a trial is judged by: its validation metric, read from the record of its fine-tune while that runs."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olivepress.core.errors import DivergedError, JobError, OlivepressError
from olivepress.core.jsonl import read_json_lines
from olivepress.core.layout import TRAINING, job_dir, training_records
from olivepress.recipe.finetune import LOSS
from olivepress.recipe.search import Search
from olivepress.report.training_record import TrainingStep, shipped_step, training_steps
from olivepress.study.storage import storage_errors

if TYPE_CHECKING:
    import optuna

    from olivepress.study.trials import Claim

__all__ = ["Behind", "TrialWatch", "has_diverged", "make_pruner", "measured", "trial_value"]

_WARM_UP = 10  # percent of a trial in which none is pruned: the first evaluation says little
_SHORTEST = 10  # percent: the first rung of Hyperband


class Behind(OlivepressError):
    """The trial is pruned: at this point the others were better, or its artifact is not fit to ship."""


def make_pruner(search: Search) -> optuna.pruners.BasePruner:
    """The pruner of the recipe; a trial's steps are percents of its length, whatever its batch size."""
    import optuna

    if search.pruner == "median":
        return optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=_WARM_UP, n_min_trials=4)
    if search.pruner == "hyperband":
        return optuna.pruners.HyperbandPruner(min_resource=_SHORTEST, max_resource=100, reduction_factor=3)
    return optuna.pruners.NopPruner()


def measured(steps: Iterable[TrainingStep], metric: str) -> dict[int, float]:
    """Percent of the fine-tune → the metric there, for every evaluation."""
    values = {}
    for step in steps:
        value = step.validation_loss if metric == LOSS else step.metrics.get(metric)
        if value is not None and step.total > 0:
            values[max(1, round(100 * step.step / step.total))] = value
    return values


class TrialWatch:
    """Reports each new evaluation of a running fine-tune to its study, and ends the trial that is behind."""

    def __init__(self, claim: Claim, metric: str, *, prunes: bool) -> None:
        self._claim, self._metric, self._prunes = claim, metric, prunes
        self._reported = set[int]()

    def look(self) -> float | None:
        """The last value. Raises Behind when the pruner ends the trial."""
        last, steps = None, training_steps(_lines_of(self._claim.run))
        seconds = next((step.seconds for step in reversed(steps) if step.seconds is not None), None)
        for percent, value in measured(steps, self._metric).items():
            last = value
            if percent in self._reported:
                continue
            self._reported.add(percent)
            with storage_errors():
                if seconds is not None:  # of the budget, should the process be killed
                    self._claim.trial.set_user_attr("seconds", seconds)
                self._claim.trial.report(value, percent)
                behind = self._prunes and percent < 100 and self._claim.trial.should_prune()
            if behind:
                raise Behind(f"pruned after {percent} %: validation {self._metric} {value:.4g} is behind other trials")
        return last


def _lines_of(run: str) -> list[Any]:
    """Those of the fine-tune that runs; a resumed one has one record, as its workflow is the same."""
    return [line for path in training_records(run, "finetune") for line in read_json_lines(path)]


def trial_value(run: str, metric: str) -> tuple[float, int]:
    """(the metric of the checkpoint that ships, its step). JobError where a fine-tune has none."""
    path = job_dir(run, "finetune") / TRAINING
    if not path.is_file():
        raise JobError(f"{path}: was removed while its trial ran", next_step="the same command goes on")
    lines = read_json_lines(path)
    shipped = shipped_step(lines)
    if shipped is not None and shipped.value is not None and shipped.metric == metric:
        return shipped.value, shipped.step
    raise JobError(f"{path}: the checkpoint that ships has no validation {metric}", next_step="set finetune.keep: best")


def has_diverged(error: Exception) -> bool:
    """Whether the settings made the loss, a gradient or the result no finite number."""
    checks = getattr(error, "checks", ())
    return isinstance(error, DivergedError) or any(check.name == "finite" and not check.passed for check in checks)


def path_of(run: str) -> Path:
    """Where the fine-tune of a trial leaves its steps."""
    return job_dir(run, "finetune") / TRAINING
