"""What the machines of a class measured: median and spread with their intervals, and which machines stand apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from olivepress.fleet.measured import Measured, by_class
from olivepress.fleet.verify import Reported
from olivepress.report.registry import METRICS
from olivepress.stats.order_statistics import fewest_values, quantile_interval
from olivepress.stats.robust import deviations, stand_apart

__all__ = ["CONFIDENCE", "SHARES", "SMALLEST_SCALE", "DeviceClass", "MetricSummary", "Outlier", "Quantile", "summarize"]

CONFIDENCE = 0.95
SHARES = {"p10": 0.10, "median": 0.50, "p90": 0.90}
SMALLEST_SCALE = 0.005  # of a median or a change: where most agree exactly, a difference of less than 1.75 % is none


@dataclass(frozen=True, kw_only=True)
class Quantile:
    """A quantile over machines with its 95 % interval; without one, ``needed`` machines would give one."""

    value: float
    ci_low: float | None
    ci_high: float | None
    needed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Outlier:
    """A machine that stands apart; ``deviation`` from the median in robust standard deviations."""

    machine: str
    value: float
    deviation: float
    is_worse: bool


@dataclass(frozen=True, kw_only=True)
class MetricSummary:
    """One metric over ``n`` machines."""

    metric: str
    n: int
    quantiles: Mapping[str, Quantile]
    outliers: tuple[Outlier, ...]

    @property
    def median(self) -> Quantile:
        return self.quantiles["median"]


@dataclass(frozen=True, kw_only=True)
class DeviceClass:
    """The machines of a class. ``due`` are those whose ring has the release, ``missing`` the names of those of them
    that have not reported. ``processors``: name → number of machines, as their reports say."""

    name: str
    machines: int
    due: int
    reported: int
    missing: tuple[str, ...]
    processors: Mapping[str, int]
    labels: tuple[str, ...]
    metrics: tuple[MetricSummary, ...]


def summarize(measured: Iterable[Measured], rings: Collection[str]) -> tuple[DeviceClass, ...]:
    """Each class in order, by the reports of the present release, which ``rings`` have."""
    return tuple(_device_class(name, members, rings) for name, members in by_class(measured).items())


def _device_class(name: str, members: Sequence[Measured], rings: Collection[str]) -> DeviceClass:
    reported = [each.after for each in members if each.after is not None]
    due = [each for each in members if each.machine.ring in rings]
    processors = Counter(report.processor for report in reported)
    return DeviceClass(
        name=name,
        machines=len(members),
        due=len(due),
        reported=len(reported),
        missing=tuple(sorted(each.machine.name for each in due if each.after is None)),
        processors=dict(sorted(processors.items(), key=lambda pair: (-pair[1], pair[0]))),
        labels=tuple(sorted({label for report in reported for label in report.labels})),
        metrics=tuple(_metrics(reported)),
    )


def _metrics(reports: Sequence[Reported]) -> Iterable[MetricSummary]:
    for metric in METRICS:
        values = [(report.metrics[metric], report.machine) for report in reports if metric in report.metrics]
        if values:
            yield _summary(metric, sorted(values))


def _summary(metric: str, values: Sequence[tuple[float, str]]) -> MetricSummary:
    ordered = np.asarray([value for value, _ in values], dtype=np.float64)
    return MetricSummary(
        metric=metric,
        n=len(ordered),
        quantiles={name: _quantile(ordered, share) for name, share in SHARES.items()},
        outliers=tuple(_outliers(metric, ordered, [machine for _, machine in values])),
    )


def _quantile(ordered: np.ndarray, share: float) -> Quantile:
    value = float(np.quantile(ordered, share))
    interval = quantile_interval(ordered, share, CONFIDENCE)
    if interval is None:
        return Quantile(value=value, ci_low=None, ci_high=None, needed=fewest_values(share, CONFIDENCE))
    return Quantile(value=value, ci_low=interval[0], ci_high=interval[1])


def _outliers(metric: str, ordered: np.ndarray, machines: Sequence[str]) -> list[Outlier]:
    """The farthest first; times and rates by their ratio to the median, what can be 0 by its difference."""
    positive = bool((ordered > 0).all())
    smallest = SMALLEST_SCALE if positive else max(SMALLEST_SCALE * abs(float(np.median(ordered))), 1e-12)
    distances = deviations(np.log(ordered) if positive else ordered, smallest)
    higher_is_better = METRICS[metric].higher_is_better
    apart = [
        Outlier(
            machine=machines[place],
            value=float(ordered[place]),
            deviation=float(distances[place]),
            is_worse=bool((distances[place] < 0) == higher_is_better),
        )
        for place in np.flatnonzero(stand_apart(distances)).tolist()
    ]
    return sorted(apart, key=lambda each: (-abs(each.deviation), each.machine))
