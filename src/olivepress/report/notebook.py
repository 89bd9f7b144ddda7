"""A device report as a notebook shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from olivepress.core.notebook import facts_html, record_html, table_html
from olivepress.report.measurement import Measurement
from olivepress.report.registry import METRICS
from olivepress.report.values import format_value

__all__ = ["report_html"]


def report_html(title: str, facts: Mapping[str, Any], metrics: Mapping[str, Measurement]) -> str:
    """Every metric with its interval, or with the reason why it was not measured."""
    rows = [_row(name, measurement) for name, measurement in metrics.items()]
    table = table_html(("Metric", "Value", "95 % interval", "n", "Not measured because"), rows)
    return record_html(title, facts_html(facts.items()), table)


def _row(name: str, measurement: Measurement) -> tuple[str, str | None, str, int | str, str]:
    title = METRICS[name].title if name in METRICS else name
    if measurement.value is None:
        return title, None, "", "", measurement.reason or ""
    unit, low, high = measurement.unit, measurement.ci_low, measurement.ci_high
    interval = ""
    if low is not None and high is not None:
        interval = f"{format_value(unit, low)} to {format_value(unit, high)}"
    return title, format_value(unit, measurement.value), interval, measurement.n or "", ""
