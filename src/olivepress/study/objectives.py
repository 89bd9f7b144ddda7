"""How the objectives of a study are shown: a metric by its title and in its unit, another number as it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from olivepress.charts.spec import Spec, quantity
from olivepress.report.registry import METRICS, Metric
from olivepress.report.values import format_value, number_and_unit

__all__ = ["metric_of", "objective_axis", "objective_text", "objective_title"]

_VALIDATION = "validation "  # before the name of a metric that was measured of the validation rows
_AXES: dict[str, tuple[str, dict[str, Any]]] = {  # unit → what stands behind the title, how the numbers are written
    "bytes": ("MB", {"labelExpr": "format(datum.value / 1e6, ',.0f')"}),
    "ratio": ("", {"format": ".0%"}),
}


def metric_of(objective: str) -> Metric | None:
    """None for the validation loss, which is no metric of a report."""
    return METRICS.get(objective.removeprefix(_VALIDATION))


def objective_title(objective: str) -> str:
    """What its columns and axes are called."""
    metric = metric_of(objective)
    if metric is None:
        return objective
    return f"{metric.title}, validation rows" if objective.startswith(_VALIDATION) else metric.title


def objective_text(objective: str, value: float, interval: Sequence[float] | None = None) -> str:
    """A value in its unit, with the ends of its 95 % interval where that was measured."""
    metric = metric_of(objective)
    shown = f"{value:.4g}" if metric is None else format_value(metric.unit, value)
    if interval is None:
        return shown
    low, high = (f"{end:.4g}" if metric is None else number_and_unit(metric.unit, end)[0] for end in interval)
    return f"{shown} ({low} to {high})"


def objective_axis(field: str, objective: str, **more: Any) -> Spec:
    """The channel of a chart for its values; ``more`` are keys of the axis."""
    metric = metric_of(objective)
    unit, numbers = ("", {}) if metric is None else _AXES.get(metric.unit, (number_and_unit(metric.unit, 1.0)[1], {}))
    title = objective_title(objective)
    return quantity(field, f"{title}, {unit}" if unit else title, scale={"zero": False}, axis={**numbers, **more})
