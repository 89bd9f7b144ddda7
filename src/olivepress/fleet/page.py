"""The page of a fleet: where the rollout stands, each class with its spread, who is missing, what was refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from olivepress.charts.pages import render_page
from olivepress.charts.spec import WIDTH, Spec, make_spec, quantity
from olivepress.charts.svg import INSTALL, PALETTE, can_draw, render_svg
from olivepress.core.messages import some_of
from olivepress.core.printable import printable
from olivepress.fleet.classes import DeviceClass, MetricSummary, Quantile
from olivepress.fleet.status import FleetStatus
from olivepress.report.registry import METRICS, columns
from olivepress.report.values import format_value

__all__ = ["quantile_text", "status_html"]

_MOST_NAMES, _MOST_OUTLIERS, _MOST_REFUSED, _MOST_DRAWN = 40, 40, 200, 40
_DRAWN = ("decode_tps", "ttft_ms", "peak_memory_bytes")
_NARROW, _NARROW_LABELS = 215, 100  # pixels of the drawing and of a class's name on a phone


def status_html(status: FleetStatus) -> str:
    """One page without network and script; every text from a report, a file name or the list of machines escaped."""
    drawn = list(_charts(sorted(status.classes, key=lambda each: -each.reported)[:_MOST_DRAWN]))
    return render_page(
        "olivepress.fleet",
        "page.html",
        s=status,
        refused=[(printable(each.path), each.kind, printable(each.reason)) for each in status.refused[:_MOST_REFUSED]],
        classes=[_class(each) for each in status.classes],
        charts=[_drawn(chart) for chart in drawn] if can_draw() else [],
        charts_of=_MOST_DRAWN,
        no_charts="" if can_draw() or not drawn else f"Charts need vl-convert-python: {INSTALL}.",
        notes=[printable(note) for note in status.notes],
    )


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
        "missing": some_of(each.missing, _MOST_NAMES),
        "processors": _processors(each),
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


def _processors(each: DeviceClass) -> str:
    """Those of a class with several."""
    names = [f"{printable(name)} ({count:,})" for name, count in each.processors.items()]
    return some_of(names, _MOST_NAMES) if len(names) > 1 else ""


def _row(summary: MetricSummary) -> tuple[str, list[tuple[str, str]], str]:
    """Title, median, 10th and 90th percentile as value and interval, and the number of machines."""
    metric = METRICS[summary.metric]
    quantiles = [summary.quantiles[name] for name in ("median", "p10", "p90")]
    shown = [(format_value(metric.unit, each.value), _interval(metric.unit, each)) for each in quantiles]
    return metric.title, shown, f"{summary.n:,}"


def quantile_text(unit: str, quantile: Quantile) -> str:
    """The value with its interval, or how many machines would give one."""
    return f"{format_value(unit, quantile.value)} ({_interval(unit, quantile)})"


def _interval(unit: str, quantile: Quantile) -> str:
    if quantile.ci_low is None or quantile.ci_high is None:
        return f"not enough machines to say, {quantile.needed} needed"
    return f"{format_value(unit, quantile.ci_low)} to {format_value(unit, quantile.ci_high)}"


@dataclass(frozen=True, kw_only=True)
class _Chart:
    """A chart of one metric, and the same for a narrow screen; ``words`` has the numbers."""

    wide: Spec
    narrow: Spec
    words: tuple[str, ...]


def _drawn(chart: _Chart) -> dict[str, Any]:
    from markupsafe import Markup

    wide, narrow = (Markup(render_svg(spec)) for spec in (chart.wide, chart.narrow))
    return {"title": chart.wide["title"], "words": chart.words, "wide": wide, "narrow": narrow}


def _charts(classes: Sequence[DeviceClass]) -> Iterator[_Chart]:
    for metric in _DRAWN:
        summaries = [(each.name, summary) for each in classes for summary in each.metrics if summary.metric == metric]
        if summaries:
            unit = METRICS[metric].unit
            words = [f"{printable(name)}: {quantile_text(unit, each.median)}, n={each.n:,}" for name, each in summaries]
            wide, narrow = (_spread(metric, summaries, words, width) for width in (WIDTH, _NARROW))
            yield _Chart(wide=wide, narrow=narrow, words=tuple(words))


def _spread(metric: str, summaries: Sequence[tuple[str, MetricSummary]], words: Sequence[str], width: int) -> Spec:
    """A line from the 10th to the 90th percentile and a point at the median, for each class."""
    declared = METRICS[metric]
    unit, scale = ("MB", 1e6) if declared.unit == "bytes" else (declared.unit, 1.0)
    data = [
        {"name": printable(name), **{key: quantile.value / scale for key, quantile in summary.quantiles.items()}}
        for name, summary in summaries
    ]
    axis = {"ticks": False} | ({"labelLimit": _NARROW_LABELS} if width < WIDTH else {})
    place = {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": axis}
    title = f"{declared.title}, {unit}"
    low, middle = (quantity(name, title, axis={"tickCount": 4}) for name in ("p10", "median"))
    line = {
        "mark": {"type": "rule", "color": PALETTE[0], "strokeWidth": 2},
        "encoding": {"y": place, "x": low, "x2": {"field": "p90"}},
    }
    point = {
        "mark": {"type": "point", "filled": True, "color": PALETTE[1], "size": 70},
        "encoding": {"y": place, "x": middle},
    }
    return make_spec(
        f"{declared.title} by class", words, (), width=width, height={"step": 26}, data={"values": data},
        layer=[line, point],
    )  # fmt: skip
