"""The page of a fleet: where the rollout stands, each class with its spread, who is missing, what was refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from olivepress.charts.pages import render_page
from olivepress.charts.spec import WIDTH, Spec, make_spec, quantity
from olivepress.charts.svg import INSTALL, PALETTE, can_draw, render_svg
from olivepress.core.printable import printable
from olivepress.fleet.classes import DeviceClass, MetricSummary, Quantile
from olivepress.fleet.status import FleetStatus
from olivepress.report.registry import METRICS, columns
from olivepress.report.values import format_value

__all__ = ["not_enough", "quantile_text", "status_html"]

_MOST_NAMES, _MOST_OUTLIERS, _MOST_REFUSED = 40, 40, 200
_DRAWN = ("decode_tps", "ttft_ms", "peak_memory_bytes")


def status_html(status: FleetStatus) -> str:
    """One page without network and script; every text from a report, a file name or the list of machines escaped."""
    drawn = list(_specs(status.classes))
    return render_page(
        "olivepress.fleet",
        "page.html",
        s=status,
        refused=[(printable(each.path), each.kind, printable(each.reason)) for each in status.refused[:_MOST_REFUSED]],
        classes=[_class(each) for each in status.classes],
        charts=[_chart(spec) for spec in drawn] if can_draw() else [],
        no_charts="" if can_draw() or not drawn else f"Charts need vl-convert-python: {INSTALL}.",
        notes=[printable(note) for note in status.notes],
    )


def _chart(spec: Spec) -> dict[str, Any]:
    from markupsafe import Markup

    return {"title": spec["title"], "words": spec["description"], "svg": Markup(render_svg(spec))}


def _class(each: DeviceClass) -> dict[str, Any]:
    shown = {metric.name for metric in columns()}
    summaries = [summary for summary in each.metrics if summary.metric in shown]
    outliers = [(summary, outlier) for summary in summaries for outlier in summary.outliers]
    return {
        "name": printable(each.name),
        "machines": each.machines,
        "due": each.due,
        "reported": each.reported,
        "labels": [printable(label) for label in each.labels],
        "missing": _names(each.missing),
        "processors": [(printable(name), count) for name, count in list(each.processors.items())[:_MOST_NAMES]],
        "rows": [_row(summary) for summary in summaries],
        "outliers": [
            (
                outlier.machine,
                METRICS[summary.metric].title,
                format_value(METRICS[summary.metric].unit, outlier.value),
                f"{outlier.deviation:+.1f}",
                "worse" if outlier.is_worse else "better",
            )
            for summary, outlier in outliers[:_MOST_OUTLIERS]
        ],
        "outliers_left_out": max(0, len(outliers) - _MOST_OUTLIERS),
    }


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _row(summary: MetricSummary) -> tuple[str, ...]:
    metric = METRICS[summary.metric]
    quantiles = [quantile_text(metric.unit, each) for each in summary.quantiles.values()]
    return (metric.title, f"{summary.n:,}", *quantiles)


def quantile_text(unit: str, quantile: Quantile) -> str:
    """The value with its interval, or how many machines would give one."""
    value = format_value(unit, quantile.value)
    if quantile.ci_low is None or quantile.ci_high is None:
        return f"{value} ({not_enough(quantile)})"
    return f"{value} ({format_value(unit, quantile.ci_low)} to {format_value(unit, quantile.ci_high)})"


def not_enough(quantile: Quantile) -> str:
    return f"not enough machines to say, {quantile.needed} needed"


def _specs(classes: Sequence[DeviceClass]) -> Iterator[Spec]:
    for metric in _DRAWN:
        summaries = [(each.name, summary) for each in classes for summary in each.metrics if summary.metric == metric]
        if summaries:
            yield _spread(metric, summaries)


def _spread(metric: str, summaries: Sequence[tuple[str, MetricSummary]]) -> Spec:
    """A line from the 10th to the 90th percentile and a point at the median, for each class."""
    declared = METRICS[metric]
    data = [
        {"name": printable(name), **{key: quantile.value for key, quantile in summary.quantiles.items()}}
        for name, summary in summaries
    ]
    words = [f"{name}: {quantile_text(declared.unit, summary.median)}, n={summary.n}" for name, summary in summaries]
    place = {"field": "name", "type": "nominal", "sort": None, "title": None}
    line = {
        "mark": {"type": "rule", "color": PALETTE[0], "strokeWidth": 2},
        "encoding": {"y": place, "x": quantity("p10", f"{declared.title}, {declared.unit}"), "x2": {"field": "p90"}},
    }
    point = {
        "mark": {"type": "point", "filled": True, "color": PALETTE[1], "size": 70},
        "encoding": {"y": place, "x": quantity("median", f"{declared.title}, {declared.unit}")},
    }
    hint = "A line from the 10th to the 90th percentile of the machines, a point at the median. "
    return make_spec(
        f"{declared.title} by class", words, (), hint=hint, width=WIDTH, data={"values": data}, layer=[line, point]
    )
