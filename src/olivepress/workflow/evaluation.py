"""When a fine-tune is evaluated on the validation split, and on how many of its rows."""

from __future__ import annotations

import math
from dataclasses import dataclass

from olivepress.core.errors import RecipeError
from olivepress.data.store.dataset import Dataset
from olivepress.recipe.finetune import LOSS, Finetune
from olivepress.recipe.schema import Recipe
from olivepress.report.registry import METRICS

__all__ = [
    "Evaluation",
    "check_evaluation",
    "evaluation_of",
    "higher_is_better",
    "monitor_looks",
    "patience_problem",
    "training_steps",
]

_SHARE = 0.1  # of the run, from one evaluation to the next
# Rows of an evaluation: a hundredth of the rows seen in training, so that ten of them take about 5 % of its time.
_FEWEST, _MOST, _ROWS_SEEN_A_ROW = 32, 256, 100
_LEAST_ROWS = 2


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """``steps`` from one evaluation to the next, as transformers takes them: below 1 a share of the run. ``count`` of
    them in a run, of ``rows`` each."""

    steps: float
    count: int
    rows: int


def training_steps(settings: Finetune, rows: int) -> int:
    """Optimizer steps of a run over ``rows`` that are trained on; the most there can be when they are packed."""
    if settings.max_steps:
        return settings.max_steps
    batches = math.ceil(rows / settings.batch_size)
    an_epoch = max(1, math.ceil(batches / settings.gradient_accumulation_steps))
    return max(1, math.ceil(settings.epochs * an_epoch))


def evaluation_of(settings: Finetune, *, train_rows: int, validation_rows: int) -> Evaluation | None:
    """None for a run that is not evaluated."""
    if settings.eval_steps == 0:
        return None
    total = training_steps(settings, train_rows)
    steps = settings.eval_steps or math.ceil(total * _SHARE)
    seen = total * settings.batch_size * settings.gradient_accumulation_steps
    by_length = min(_MOST, max(_FEWEST, seen // _ROWS_SEEN_A_ROW))
    rows = settings.eval_rows or max(by_length, settings.eval_answers)  # the rows that are answered are some of them
    return Evaluation(
        steps=settings.eval_steps or _SHARE,
        count=math.ceil(total / steps),  # the last step is evaluated too
        rows=min(rows, validation_rows),
    )


def patience_problem(patience: int, evaluations: int) -> str:
    """Why such a patience cannot end a run of so many evaluations before its last step; empty where it can.

    The first evaluation is the first best: as many as ``patience`` follow it, and one more.
    """
    if patience < evaluations - 1:
        return ""
    return (
        f"finetune.early_stopping.patience is {patience} and the run has {evaluations} evaluations, expected at most "
        f"{max(evaluations - 2, 0)} to stop before the last one"
    )


def monitor_looks(settings: Finetune, train_rows: int) -> int:
    """How often the quality monitor looks at a run over ``train_rows``; 0 without one."""
    if settings.monitor is None:
        return 0
    return math.ceil(training_steps(settings, train_rows) / settings.monitor.every)


def _check_monitor(recipe: Recipe, dataset: Dataset) -> None:
    """RecipeError for a monitor with nothing to look at, or that would look once: nothing can fall then."""
    monitor, rows = recipe.finetune.monitor, len(dataset.splits["validation"])
    if monitor is None:
        return
    where = f"recipe {recipe.name}: finetune.monitor"
    if rows < _LEAST_ROWS:
        raise RecipeError(
            f"{where} looks at validation rows, expected at least {_LEAST_ROWS}, the dataset has {rows}",
            next_step="set data.validation_fraction, or remove finetune.monitor",
        )
    steps = training_steps(recipe.finetune, len(dataset.splits["train"]))
    if monitor.every >= steps:
        raise RecipeError(
            f"{where}.every is {monitor.every}, expected less than the {steps} steps of the run",
            next_step="change finetune.monitor.every",
        )


def higher_is_better(metric: str) -> bool:
    """Of what checkpoints are compared by."""
    return metric != LOSS and METRICS[metric].direction == "higher"


def check_evaluation(recipe: Recipe, dataset: Dataset) -> None:
    """Raise RecipeError for a run that cannot be evaluated as the recipe asks, or that stops too late to matter."""
    settings, rows = recipe.finetune, len(dataset.splits["validation"])
    _check_monitor(recipe, dataset)
    evaluation = evaluation_of(settings, train_rows=len(dataset.splits["train"]), validation_rows=rows)
    if evaluation is None:
        return
    where = f"recipe {recipe.name}"
    if rows < _LEAST_ROWS:
        split = "no validation split" if rows == 0 else "1 validation row"
        raise RecipeError(
            f"{where}: {split}, expected at least {_LEAST_ROWS} rows to choose the best checkpoint by",
            next_step="set data.validation_fraction, or finetune.eval_steps: 0 with finetune.keep: last",
        )
    stopping = settings.early_stopping
    if stopping is not None and (problem := patience_problem(stopping.patience, evaluation.count)):
        raise RecipeError(f"{where}: {problem}", next_step="change patience, or finetune.eval_steps")
