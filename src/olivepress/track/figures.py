"""Numbers of runs as text, in the unit that a reader expects."""

from __future__ import annotations

from olivepress.compare.render.phrases import interval_text
from olivepress.report.registry import METRICS
from olivepress.report.values import format_value
from olivepress.track.record import Figure

__all__ = ["TOKENS_PER_S", "curve_unit", "figure_text", "is_of_the_machine", "number_text", "value_text"]

TOKENS_PER_S = "tokens_per_s"  # the curve, which no device report has


def curve_unit(name: str) -> str:
    """The unit of a curve's values; empty where they have none."""
    if name == TOKENS_PER_S:
        return "tokens/s"
    return METRICS[name].unit if name in METRICS and METRICS[name].unit == "bytes" else ""


def is_of_the_machine(name: str) -> bool:
    """Whether a curve is what the machine needed, its time or memory, and not what came out: no two runs share it."""
    return name == TOKENS_PER_S or name.endswith("memory_bytes")


def number_text(value: float, unit: str = "") -> str:
    """A number with its unit, if it has one."""
    if unit:
        return format_value(unit, value)
    if abs(value) >= 1e5 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.4g}"


def value_text(figure: Figure) -> str:
    """The value alone."""
    return number_text(figure.value, figure.unit)


def figure_text(figure: Figure | None) -> str:
    """Value and interval."""
    if figure is None:
        return "-"
    interval = interval_text(figure.unit or "1", figure.value, figure.ci_low, figure.ci_high)
    return f"{value_text(figure)} ({interval})" if interval else value_text(figure)
