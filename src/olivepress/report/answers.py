"""What a task's metrics are computed from, and the decorator that registers one: ``Answers -> Measurement``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from olivepress.report.measurement import Measurement
from olivepress.report.registry import METRICS, Metric, declare

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

FEWEST = 30  # examples; fewer show nothing


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


def task_metric(metric: Metric) -> Callable[[TaskMetric], TaskMetric]:
    """Declare ``metric`` and register the decorated function as what computes it from a task's answers."""

    def register(function: TaskMetric) -> TaskMetric:
        declare(metric)
        TASK_METRICS[metric.name] = function
        return function

    return register


def is_correct(output: str, expected: str) -> bool:
    """Exact match; only white space around the answer is forgiven."""
    return output.strip() == expected.strip()


def answer_metric(limits: Mapping[str, float]) -> str:
    """The metric by which answers are judged: exact match, unless the budget's only minimum of answers is of free text.

    Of several such minimums that of the metric declared last counts.
    """
    if "min_exact_match" in limits or "min_gain_retained" in limits:
        return "exact_match"
    free_text = [metric.name for metric in METRICS.values() if metric.judge == "mean" and metric.limit_key in limits]
    return free_text[-1] if free_text else "exact_match"
