"""The hard limits of a budget against what was measured, by its interval."""

from __future__ import annotations

from collections.abc import Mapping

from olivepress.compare.document import LimitCheck, Row
from olivepress.compare.render.phrases import interval_text
from olivepress.core.errors import RecipeError
from olivepress.core.names import target_of_job
from olivepress.report.device_report import Measurement
from olivepress.report.registry import METRICS, Metric
from olivepress.report.values import format_value
from olivepress.stats.intervals import examples_to_decide, wilson

__all__ = ["Budgets", "check_limits", "is_quality", "limits_of"]

Budgets = Mapping[str, Mapping[str, float]]  # target (or "all") → limit (min_… or max_… and a metric) → value


def limits_of(row: Row, budgets: Budgets) -> dict[str, float]:
    """Every limit of the row's target; its own go before those for all."""
    job = target_of_job(row.report.job)
    target = job[1] if job else row.report.job
    return {**budgets.get("all", {}), **budgets.get(target, {})}


def check_limits(row: Row, budgets: Budgets) -> tuple[LimitCheck, ...]:
    """Each of ``limits_of``, judged. RecipeError for a limit of no metric."""
    return tuple(_check(row, key, limit) for key, limit in sorted(limits_of(row, budgets).items()))


def is_quality(key: str) -> bool:
    """Whether a limit is of the answers or of the fidelity to the parent."""
    return any(metric.is_quality and metric.limit_key == key for metric in METRICS.values())


def _check(row: Row, key: str, limit: float) -> LimitCheck:
    metric = next((metric for metric in METRICS.values() if metric.limit_key == key), None)
    if metric is None:
        raise RecipeError(f"budget: {key} is not a limit", next_step="min_ or max_ and a metric, as max_ttft_ms")
    measurement = row.report.metrics.get(metric.name)
    bound = f"{'at least' if metric.higher_is_better else 'at most'} {format_value(metric.unit, limit)}"
    if measurement is None or measurement.value is None:
        reason = (measurement.reason if measurement else None) or "not in its report"
        return LimitCheck(key=key, limit=limit, value=None, holds=None, text=f"{metric.title}: {bound}; {reason}")
    value, (low, high) = measurement.value, _interval(metric, measurement)
    holds = _holds(metric, limit, low, high)
    if metric.limit is not None and metric.limit.needs_interval and measurement.ci_low is None:
        holds = None
    text = f"{metric.title}: {bound}, measured {format_value(metric.unit, value)}"
    if holds is None and low == high:
        text += " without an interval: too few examples"
    elif holds is None:
        text += f" ({interval_text(metric.unit, value, low, high)}, n={measurement.n}: the limit lies inside)"
    needed = None
    if holds is None and metric.group == "task":
        needed = examples_to_decide(measurement.n, value, low, high, limit)
    return LimitCheck(key=key, limit=limit, value=value, holds=holds, text=text, needed=needed)


def _interval(metric: Metric, measurement: Measurement) -> tuple[float, float]:
    """The measured interval; Wilson's for a share without one; both ends the value where there is none at all."""
    value = measurement.value or 0.0
    if measurement.ci_low is not None and measurement.ci_high is not None:
        return measurement.ci_low, measurement.ci_high
    if metric.counted and measurement.n:
        return wilson(min(round(value * measurement.n), measurement.n), measurement.n)
    return value, value


def _holds(metric: Metric, limit: float, low: float, high: float) -> bool | None:
    """True where the whole interval is on the right side of the limit, False where none of it is."""
    if metric.higher_is_better:
        meets, misses = low >= limit, high < limit
    else:
        meets, misses = high <= limit, low > limit
    if meets:
        return True
    return False if misses else None
