"""The history of the reports in ``benchmarks/results`` as one static page: a chart and a table per series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from olivepress.charts.pages import render_page
from olivepress.charts.spec import WIDTH, Spec, make_spec, quantity
from olivepress.charts.svg import can_draw, render_svg
from olivepress.compare.history import NOT_COMMITTED, Series
from olivepress.core.printable import printable
from olivepress.report.registry import METRICS
from olivepress.report.values import format_value

__all__ = ["history_html", "series_spec"]

SHORT = 12  # characters of a commit


def series_spec(series: Series) -> Spec:
    """Values in the order in which they were measured, with intervals; a rule where a new level begins."""
    metric = METRICS[series.metric]
    data = [
        {"n": n, "value": p.value, "low": p.ci_low or p.value, "high": p.ci_high or p.value, "commit": _short(p.commit)}
        for n, p in enumerate(series.points)
    ]
    x = quantity("n", None, axis={"tickMinStep": 1, "title": "reports, oldest first", "format": "d"})
    y = {"scale": {"zero": False}, "axis": {"title": f"{metric.title} ({metric.unit})"}}
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "line", "color": "#0072B2"}, "encoding": {"x": x, "y": quantity("value", None, **y)}},
        {
            "mark": {"type": "rule", "color": "currentColor", "opacity": 0.5},
            "encoding": {"x": x, "y": quantity("low", None, **y), "y2": {"field": "high"}},
        },
        {
            "mark": {"type": "point", "filled": True, "color": "#0072B2"},
            "encoding": {"x": x, "y": quantity("value", None, **y)},
        },
    ]
    if series.changes:
        layers.append(
            {
                "data": {"values": [{"n": index} for index in series.changes]},
                "mark": {"type": "rule", "strokeDash": [4, 3], "color": "#D55E00", "strokeWidth": 2},
                "encoding": {"x": x},
            }
        )
    words = [f"{_short(p.commit)}: {format_value(metric.unit, p.value)}" for p in series.points]
    title = f"{series.job}, {metric.title}"
    return make_spec(title, words, (), width=WIDTH, height=180, data={"values": data}, layer=layers)


def _short(commit: str) -> str:
    return commit if commit == NOT_COMMITTED else commit[:SHORT]


def change_texts(series: Series) -> list[str]:
    """Where the level changed, in words."""
    unit, texts = METRICS[series.metric].unit, []
    for index in series.changes:
        before, after = series.points[index - 1], series.points[index]
        texts.append(
            f"new level from {_short(after.commit)} ({after.created_at}) on: "
            f"{format_value(unit, before.value)} → {format_value(unit, after.value)}"
        )
    return texts


def history_html(series: Sequence[Series], refused: Sequence[str]) -> str:
    """One self-contained page without a script; every text of a report is escaped."""
    from markupsafe import Markup

    drawn = can_draw()
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in series:
        entry = {
            "series": each,
            "title": f"{printable(each.job)}: {METRICS[each.metric].title}",
            "svg": Markup(render_svg(series_spec(each))) if drawn and len(each.points) > 1 else "",
            "changes": change_texts(each),
            "rows": [
                (_short(p.commit), printable(p.created_at), format_value(METRICS[each.metric].unit, p.value))
                for p in reversed(each.points)
            ],
        }
        groups.setdefault((printable(each.machine), printable(each.recipe)), []).append(entry)
    reasons = [printable(text) for text in refused]
    return render_page("olivepress.compare.render", "history.html", groups=groups, refused=reasons)
