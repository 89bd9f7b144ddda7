"""The one list of metrics. A ``Metric`` declares everything about it: what it means, how two values of it are
compared, whether tables show it, whether a recipe may limit it, whether a gate checks it.

Importing ``olivepress.report`` declares all of olivepress's own: those of a task's answers beside the functions that
compute them (``@task_metric``), the others in ``metrics``. Everything else reads the declarations through the functions
below when it needs them, so that a metric that a user's module declares counts as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

__all__ = ["LARGEST", "METRICS", "SHARE", "Column", "Direction", "Group", "Judge", "Limit", "Metric", "Unit", "View"]
__all__ += ["columns", "declare", "gated", "in_group", "in_view", "judged", "limited", "out_of_range", "weighed"]

Direction = Literal["higher", "lower"]
Unit = Literal[
    "ms",
    "s",
    "tokens/s",
    "bytes",
    "ratio",
    "nats",
    "logits",
    "tokens",
    "bits/byte",
    "1",
    "points",
    "J/token",
    "currency",
]
Group = Literal["task", "text", "latency", "reliability", "size", "fidelity", "cost"]
"""What has to be equal for two values to mean the same: ``task`` the data, ``text`` the text and its window,
``latency`` and ``reliability`` the machine and the workload, ``fidelity`` the parent, ``size`` nothing."""
Judge = Literal["share", "mean", "interval", "rounds", "threshold"]
"""How two values are compared (``compare.verdicts``): ``share`` by right or wrong per example, ``mean`` by one number
per example, ``interval`` by whether the intervals are apart, ``rounds`` round by round against the noise floor (the
raw samples have an attribute of the metric's name), ``threshold`` by the relative difference alone."""
View = Literal["terminal", "card", "workload", "history"]
"""Where a metric is singled out: among the differences on the terminal, on the card of each artifact, in the table of
workloads, in the history over commits."""

LARGEST = 1e18  # no time, size or rate is larger, in any of the units
ANY, NOT_NEGATIVE = (-LARGEST, LARGEST), (0.0, LARGEST)
POSITIVE = (1e-9, LARGEST)  # nothing takes no time
_RANGES: dict[Unit, tuple[float, float]] = {
    "ratio": (0.0, 1.0),
    "points": (0.0, 100.0),
    "ms": POSITIVE,
    "tokens/s": POSITIVE,
}
"""Unit → the smallest and the largest value that a metric may have; 0 and above for the other units."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the metric tables: its ``place`` from the left; ``always``, or only when some report has a value."""

    place: int
    always: bool = True


@dataclass(frozen=True, kw_only=True)
class Limit:
    """The limits that a recipe's budget may set: more than ``above``, or from ``low`` on, up to ``high``.

    ``needs_interval``: a value without an interval does not show that the limit is met.
    """

    above: float | None = None
    low: float | None = None
    high: float | None = None
    description: str = ""
    needs_interval: bool = False


SHARE, POSITIVE_LIMIT = Limit(low=0, high=1), Limit(above=0)


@dataclass(frozen=True, kw_only=True)
class Metric:
    """What a number means. ``direction``: which way is better; ``title`` heads a table column.

    ``values``: the smallest and the largest that can be a measurement, where they are not those of the unit.
    ``counted``: hits over answers, with Wilson's interval. ``score``: (output, expected) → the number of one example,
    for the judges ``share`` and ``mean``. ``threshold``: the relative difference below which a ``threshold`` metric
    counts as unchanged. ``negligible``: the difference below which an ``interval`` metric does. ``weighs``: an artifact
    that is not shown to be as good in this metric does not dominate another; only for metrics that have a judge.
    ``gated``: ``compare --baseline`` fails when it got worse.
    """

    name: str
    unit: Unit
    direction: Direction
    title: str
    description: str
    group: Group
    values: tuple[float, float] | None = None
    counted: bool = False
    judge: Judge | None = None
    score: Callable[[str, str], float] | None = None
    threshold: float = 0.0
    negligible: float = 0.0
    weighs: bool = True
    column: Column | None = None
    views: tuple[View, ...] = ()
    limit: Limit | None = None
    gated: bool = False

    @property
    def low(self) -> float:
        """The smallest value that can be a measurement."""
        return self._range[0]

    @property
    def high(self) -> float:
        """The largest value that can be a measurement."""
        return self._range[1]

    @property
    def _range(self) -> tuple[float, float]:
        return self.values or _RANGES.get(self.unit, NOT_NEGATIVE)

    @property
    def higher_is_better(self) -> bool:
        return self.direction == "higher"

    @property
    def limit_key(self) -> str:
        """Its key in a recipe's budget: ``min_exact_match``, ``max_ttft_ms``."""
        return f"{'min' if self.higher_is_better else 'max'}_{self.name}"

    @property
    def is_quality(self) -> bool:
        """Whether it measures the answers or how faithful the model is to its parent."""
        return self.group in ("task", "text", "fidelity")


METRICS: dict[str, Metric] = {}


def declare(metric: Metric) -> Metric:
    """Add a metric to ``METRICS``. ValueError when the name is taken by another meaning (a programming error)."""
    if METRICS.setdefault(metric.name, metric) != metric:
        raise ValueError(f"metric {metric.name!r} is declared twice with different meanings")
    return metric


def out_of_range(name: str, value: float) -> str | None:
    """Why a value cannot be one of the metric ``name``; None when it can."""
    metric = METRICS[name]
    if metric.low <= value <= metric.high:
        return None
    expected = f"{metric.low:g} to {metric.high:g}" if metric.high < LARGEST else f"{metric.low:g} or more"
    return f"{name} is {value:g} {metric.unit}, expected {expected}"


def in_group(group: Group) -> tuple[str, ...]:
    """Names of the group's metrics, in the order of their declarations."""
    return tuple(metric.name for metric in METRICS.values() if metric.group == group)


def in_view(view: View) -> tuple[str, ...]:
    """Names of the metrics that a view singles out, in the order of their declarations."""
    return tuple(metric.name for metric in METRICS.values() if view in metric.views)


def judged() -> tuple[str, ...]:
    """Names of the metrics that two artifacts are compared in, by their judge."""
    return tuple(name for judge in get_args(Judge) for name in METRICS if METRICS[name].judge == judge)


def gated() -> tuple[str, ...]:
    """Names of the metrics that a gate checks, as ``judged``."""
    return tuple(name for name in judged() if METRICS[name].gated)


def weighed() -> tuple[str, ...]:
    """Names of the metrics in which an artifact must lose nothing to dominate another, as ``judged``."""
    return tuple(name for name in judged() if METRICS[name].weighs)


def columns() -> tuple[Metric, ...]:
    """The metrics that tables show, from left to right."""
    shown = [(metric.column.place, metric) for metric in METRICS.values() if metric.column is not None]
    return tuple(metric for _, metric in sorted(shown, key=lambda entry: entry[0]))


def limited() -> dict[str, Metric]:
    """Key of a recipe's budget → its metric."""
    return {metric.limit_key: metric for metric in METRICS.values() if metric.limit is not None}
