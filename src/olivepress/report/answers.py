"""What a task's metrics are computed from, and the decorator that registers one: ``Answers -> Measurement``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from olivepress.report.device_report import Measurement
from olivepress.report.registry import Direction, Unit, declare

__all__ = [
    "FEWEST",
    "TASK_METRICS",
    "Answers",
    "Example",
    "TaskMetric",
    "answer_metric",
    "is_correct",
    "task_metric",
]

FEWEST = 30  # examples below which nothing is told
_FREE_TEXT = ("rouge_l", "f1_token")


@dataclass(frozen=True, kw_only=True)
class Example:
    """One answered example; ``output`` is the decoded text without special tokens.

    ``label`` is the row's class, None where the dataset has none; ``scored_label`` the class that constrained scoring
    chose, None where it did not run.
    """

    id: str
    output: str
    expected: str
    label: str | None = None
    scored_label: str | None = None

    @property
    def correct(self) -> bool:
        return is_correct(self.output, self.expected)


@dataclass(frozen=True, kw_only=True)
class Answers:
    """All answered examples of a split, the dataset's classes and its JSON Schema, as far as it has them.

    ``not_scored`` is why constrained scoring failed as a whole, None when it did not; ``not_asked`` why there are no
    examples, where there are none.
    """

    examples: tuple[Example, ...]
    labels: tuple[str, ...] = ()
    json_schema: Mapping[str, Any] | None = None
    not_scored: str | None = None
    not_asked: str = "no dataset was given"


TaskMetric = Callable[[Answers], Measurement]
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


def answer_metric(limits: Mapping[str, float]) -> str:
    """What right answers are judged by: exact match, unless the budget's only minimum of answers is of free text."""
    if "min_exact_match" in limits or "min_gain_retained" in limits:
        return "exact_match"
    return next((name for name in _FREE_TEXT if f"min_{name}" in limits), "exact_match")
