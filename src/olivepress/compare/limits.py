"""The hard limits of a budget against what was measured, by its interval."""

from __future__ import annotations

from collections.abc import Mapping

from olivepress.charts.table import format_value
from olivepress.compare.document import LimitCheck, Row
from olivepress.compare.render.phrases import interval_text
from olivepress.core.errors import RecipeError
from olivepress.report.device_report import Measurement
from olivepress.report.registry import METRICS
from olivepress.stats.intervals import wilson

__all__ = ["QUALITY", "Budgets", "check_limits", "is_quality", "limits_of", "target_of"]

Budgets = Mapping[str, Mapping[str, float]]  # target (or "all") → limit (min_… or max_… and a metric) → value
QUALITY = (
    "exact_match", "gain_retained", "f1_", "rouge_l", "label_accuracy", "json_", "kl_", "perplexity", "top1_",
)  # fmt: skip
NEEDS_INTERVAL = "gain_retained"  # it has none where the gain itself is hardly shown
SHARES = ("exact_match", "label_accuracy_constrained")  # hits of n: Wilson's interval where the report has none


def target_of(row: Row) -> str:
    """The target that an export is for, as recipes name it."""
    return row.report.job.removeprefix("export-").removeprefix("package-")


def limits_of(row: Row, budgets: Budgets) -> dict[str, float]:
    """Every limit of the row's target; its own stand before those for all."""
    return {**budgets.get("all", {}), **budgets.get(target_of(row), {})}


def check_limits(row: Row, budgets: Budgets) -> tuple[LimitCheck, ...]:
    """Each of ``limits_of``, judged. RecipeError for a limit of no metric."""
    return tuple(_check(row, key, limit) for key, limit in sorted(limits_of(row, budgets).items()))


def is_quality(key: str) -> bool:
    """Whether a limit is of the answers or of the fidelity to the parent."""
    return key.partition("_")[2].startswith(QUALITY)


def _check(row: Row, key: str, limit: float) -> LimitCheck:
    kind, _, name = key.partition("_")
    metric = METRICS.get(name)
    if metric is None or kind != ("min" if metric.direction == "higher" else "max"):
        raise RecipeError(f"budget: {key} is not a limit", next_step="min_ or max_ and a metric, as max_ttft_ms")
    measurement = row.report.metrics.get(name)
    bound = f"{'at least' if kind == 'min' else 'at most'} {format_value(metric.unit, limit)}"
    if measurement is None or measurement.value is None:
        reason = (measurement.reason if measurement else None) or "not in its report"
        return LimitCheck(key=key, limit=limit, value=None, holds=None, text=f"{metric.title}: {bound}; {reason}")
    value, (low, high) = measurement.value, _interval(name, measurement)
    holds = _holds(kind, limit, low, high)
    if name == NEEDS_INTERVAL and measurement.ci_low is None:
        holds = None
    text = f"{metric.title}: {bound}, measured {format_value(metric.unit, value)}"
    if holds is None and low == high:
        text += " without an interval: too few examples"
    elif holds is None:
        text += f" ({interval_text(metric.unit, value, low, high)}, n={measurement.n}: the limit lies inside)"
    return LimitCheck(key=key, limit=limit, value=value, holds=holds, text=text)


def _interval(name: str, measurement: Measurement) -> tuple[float, float]:
    """The measured interval; Wilson's for a share without one; both ends the value where there is none at all."""
    value = measurement.value or 0.0
    if measurement.ci_low is not None and measurement.ci_high is not None:
        return measurement.ci_low, measurement.ci_high
    if name in SHARES and measurement.n:
        return wilson(min(round(value * measurement.n), measurement.n), measurement.n)
    return value, value


def _holds(kind: str, limit: float, low: float, high: float) -> bool | None:
    """True where the whole interval is on the right side of the limit, False where none of it is."""
    good, bad = (low >= limit, high < limit) if kind == "min" else (high <= limit, low > limit)
    if good:
        return True
    return False if bad else None
