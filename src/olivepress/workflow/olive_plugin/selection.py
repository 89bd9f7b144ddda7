"""Which checkpoint of a fine-tune is the best, and when it no longer improves: from its evaluations alone.

The trainer's state holds every evaluation and is saved with each checkpoint, so that a resumed run decides as the run
that was interrupted would have.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from olivepress.core.errors import JobError
from olivepress.core.yaml_document import Record

__all__ = ["Evaluated", "Selection", "best_of", "evaluations", "no_improvement"]

_PREFIX = "eval_"  # what transformers puts before the metrics of an evaluation


class Selection(Record):
    """How the checkpoint that ships is chosen: ``metric`` is ``loss`` or one of the task's.

    ``patience`` None: no early stopping.
    """

    keep: str
    metric: str
    greater: bool = False
    patience: int | None = None
    min_delta: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Evaluated:
    """The value of the selection's metric at a step."""

    step: int
    value: float


def evaluations(log_history: Iterable[Mapping[str, Any]], metric: str) -> list[Evaluated]:
    """The evaluations in a trainer's log, in the order of their steps.

    JobError for one that was made without ``metric``: the checkpoint is of a run that compared by another one.
    """
    values: dict[int, float] = {}
    for entry in log_history:
        if f"{_PREFIX}loss" not in entry:
            continue
        if f"{_PREFIX}{metric}" not in entry:
            raise JobError(
                f"the checkpoint's run was not evaluated by {metric} at step {entry['step']}: its metric was changed",
                next_step="remove the checkpoints to train from the start, or restore early_stopping.metric",
            )
        values[int(entry["step"])] = float(entry[f"{_PREFIX}{metric}"])
    return [Evaluated(step=step, value=values[step]) for step in sorted(values)]


def best_of(history: Sequence[Evaluated], *, greater: bool) -> Evaluated | None:
    """The best evaluation, the first of equal ones; None where there is none."""
    best: Evaluated | None = None
    for each in history:
        if best is None or _gain(best, each, greater) > 0:
            best = each
    return best


def no_improvement(history: Sequence[Evaluated], *, greater: bool, min_delta: float) -> int:
    """Evaluations since the last one that was better than all before it by more than ``min_delta``.

    As transformers' EarlyStoppingCallback counts them.
    """
    count = 0
    best: Evaluated | None = None
    for each in history:
        gain = None if best is None else _gain(best, each, greater)
        count = 0 if gain is None or gain > max(min_delta, 0.0) else count + 1
        if gain is None or gain > 0:
            best = each
    return count


def _gain(best: Evaluated, other: Evaluated, greater: bool) -> float:
    return other.value - best.value if greater else best.value - other.value
