"""Document → charts as Vega-Lite specifications, with the same numbers in words; drawn by ``chart_svg``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from olivepress.charts.spec import WIDTH, NoData, Spec, discrete, make_spec, quantity
from olivepress.charts.svg import PALETTE, SHAPES, render_png, render_svg
from olivepress.charts.training import NARROW as PANEL_NARROW
from olivepress.charts.training import PANELS, training_panel
from olivepress.compare.document import Decision, Document, Row
from olivepress.compare.render.chart_front import NARROW, front
from olivepress.compare.render.phrases import cell, machines, short_name
from olivepress.compare.rows import STAGES
from olivepress.core.printable import printable
from olivepress.report.training_record import TrainingRun
from olivepress.report.values import format_value

__all__ = [
    "KINDS",
    "Chart",
    "Kind",
    "NoChart",
    "front",
    "itl",
    "ladder",
    "make_charts",
    "placement",
    "render_png",
    "render_svg",
    "resource",
]

Kind = Literal["front", "ladder", "itl", "memory", "size", "placement", "training"]
KINDS: tuple[Kind, ...] = ("front", "ladder", "itl", "memory", "size", "placement", "training")
DASHES = ([1, 0], [7, 3], [2, 3], [9, 3, 2, 3], [4, 2], [12, 4])


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart of ``about`` (a machine or recipe); ``machines`` are those whose numbers it shows.

    ``narrow`` is the same for a narrow screen, None where it only shrinks.
    """

    kind: Kind
    about: str
    machines: tuple[str, ...]
    spec: Spec
    narrow: Spec | None = None


@dataclass(frozen=True, kw_only=True)
class NoChart:
    """The reason why there is no chart of this kind for ``about``."""

    kind: Kind
    about: str
    machines: tuple[str, ...]
    reason: str


def make_charts(document: Document) -> tuple[Chart | NoChart, ...]:
    """All charts of the document, by kind; one for each machine, one ladder for each recipe."""
    charts: list[Chart | NoChart] = []
    for decision in document.decisions or [_undecided(machine) for machine in machines(document)]:
        charts.append(_front(document, decision))
    for recipe in dict.fromkeys(row.report.recipe for row in document.rows):
        machines_there = tuple(dict.fromkeys(row.machine for row in document.rows if row.report.recipe == recipe))
        charts.append(_chart("ladder", machines_there, recipe, ladder(document, recipe)))
    for machine in machines(document):
        rows = [row for row in document.rows if row.machine == machine]
        charts.append(_chart("itl", (machine,), machine, itl(rows)))
        charts.append(_chart("memory", (machine,), machine, resource(rows, "peak_memory_bytes", "Peak memory")))
        charts.append(_chart("size", (machine,), machine, resource(rows, "size_on_disk_bytes", "Size on disk")))
        charts.append(_chart("placement", (machine,), machine, placement(rows)))
    return (*charts, *_training(document.training))


def _training(runs: Mapping[str, TrainingRun]) -> Iterator[Chart | NoChart]:
    """Four panels of all fine-tunes, each drawn for a narrow screen too."""
    for panel in PANELS if runs else ():
        chart = _chart("training", (), panel, training_panel(panel, runs))
        narrow = training_panel(panel, runs, width=PANEL_NARROW)
        yield replace(chart, narrow=narrow) if isinstance(chart, Chart) and not isinstance(narrow, NoData) else chart


def _front(document: Document, decision: Decision) -> Chart | NoChart:
    chart = _chart("front", (decision.machine,), decision.machine, front(document, decision))
    narrow = front(document, decision, width=NARROW)
    return replace(chart, narrow=narrow) if isinstance(chart, Chart) and not isinstance(narrow, NoData) else chart


def _undecided(machine: str) -> Decision:
    return Decision(
        machine=machine, recipe="", chosen=(), headline="", reasons=(), candidates=(), outcome="cannot_tell"
    )


def _chart(kind: Kind, machines: tuple[str, ...], about: str, spec: Spec | NoData) -> Chart | NoChart:
    if isinstance(spec, NoData):
        return NoChart(kind=kind, about=about, machines=machines, reason=spec.reason)
    return Chart(kind=kind, about=about, machines=machines, spec=spec)


def ladder(document: Document, recipe: str) -> Spec | NoData:
    """Exact match of each stage of one recipe, base first, or the reason why there is none."""
    rows = [row for row in document.rows if row.report.recipe == recipe]
    rows.sort(key=lambda row: STAGES.index(row.role) if row.role in STAGES else len(STAGES))
    short = Counter(short_name(row) for row in rows)
    data, words = [], list[str]()
    for row in rows:
        measurement, text = row.report.metrics.get("exact_match"), cell(row, "exact_match")
        if measurement is None or measurement.value is None:
            continue
        low, high = measurement.ends
        name = short_name(row) if short[short_name(row)] == 1 else printable(row.name)
        interval = f" ({text.interval})" if text.interval else ""
        words.append(f"{name} ({row.role}) {text.text}{interval}")
        data.append({"name": name, "role": row.role, "value": measurement.value, "low": low, "high": high})
        data[-1] |= {"text": text.text}
    if len(data) < 2:
        return NoData("fewer than two stages have an exact match")
    roles = [role for role in STAGES if role in {entry["role"] for entry in data}]
    y: Spec = {"field": "name", "type": "nominal", "sort": None, "title": None}
    y["axis"] = {"grid": True, "ticks": False, "labelPadding": 12}
    x = quantity(
        "value", "exact match, with its interval", scale={"domain": [0, 1]}, axis={"format": ".0%", "tickCount": 5}
    )
    colour = discrete("role", roles, PALETTE, title=None, legend={"orient": "top", "columns": 3, "symbolOpacity": 1})
    layers: list[Spec] = [
        {"mark": {"type": "rule", "strokeWidth": 4, "opacity": 0.55}},
        {"mark": {"type": "point", "filled": True, "size": 120, "opacity": 1}},
        {"mark": {"type": "text", "align": "left", "dx": 12}, "encoding": {"x": x | {"field": "high"}, "y": y}},
    ]
    layers[0]["encoding"] = {"x": x | {"field": "low"}, "x2": {"field": "high"}, "y": y, "color": colour}
    layers[1]["encoding"] = {"x": x, "y": y, "color": colour, "shape": discrete("role", roles, SHAPES, title=None)}
    layers[2]["encoding"]["text"] = {"field": "text"}
    body: Spec = {"width": WIDTH - 60, "height": {"step": 30}, "data": {"values": data}, "layer": layers}
    return make_spec(f"Exact match by stage: {recipe}", words, rows, **body)


def itl(rows: Sequence[Row]) -> Spec | NoData:
    """Share of the steps that took at most so long, per artifact, or the reason why there is none."""
    timed = [row for row in rows if len(row.itl_ms) > 1 and min(row.itl_ms) > 0]
    if not timed:
        return NoData("no time between tokens was measured")
    names = [short_name(row) for row in timed]
    values = [
        {"name": name, "ms": ms, "share": index / (len(row.itl_ms) - 1)}
        for name, row in zip(names, timed, strict=True)
        for index, ms in enumerate(row.itl_ms)
    ]
    legend = {"orient": "bottom", "columns": 2, "symbolType": "stroke"}
    encoding = {
        "x": quantity(
            "ms", "time between tokens, ms (log)", scale={"type": "log", "nice": False}, axis={"tickCount": 6}
        ),
        "y": quantity("share", "share of steps at most that long", axis={"format": ".0%", "tickCount": 5}),
        "color": discrete("name", names, PALETTE, title=None, legend=legend),
        "strokeDash": discrete("name", names, DASHES, title=None, legend=legend),
    }
    words = [
        f"{name}: half within {_ms(row, 0.5)}, 95 % within {_ms(row, 0.95)}, longest {_ms(row, 1.0)}"
        for name, row in zip(names, timed, strict=True)
    ]
    mark = {"type": "line", "strokeWidth": 2.2, "interpolate": "linear"}
    body: Spec = {"width": WIDTH, "height": 220, "data": {"values": values}, "mark": mark, "encoding": encoding}
    title = f"Time between tokens on {rows[0].machine}"
    return make_spec(title, words, timed, hint="Further left is faster. ", **body)


def _ms(row: Row, share: float) -> str:
    return format_value("ms", row.itl_ms[round(share * (len(row.itl_ms) - 1))])


def resource(rows: Sequence[Row], metric: str, title: str) -> Spec | NoData:
    """Bars of one metric in bytes, from zero, or the reason why there is none."""
    data = []
    for row in rows:
        measurement = row.report.metrics.get(metric)
        if measurement is not None and measurement.value is not None:
            text = format_value("bytes", measurement.value)
            data.append({"name": short_name(row), "role": row.role, "mb": measurement.value / 1e6, "text": text})
    if not data:
        return NoData(f"{title.lower()} was not measured")
    y: Spec = {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": {"ticks": False}}
    x = quantity("mb", "MB", axis={"tickCount": 4}, scale={"domainMin": 0})
    layers: list[Spec] = [
        {"mark": {"type": "bar", "height": {"band": 0.62}, "color": PALETTE[0]}, "encoding": {"x": x, "y": y}},
        {"mark": {"type": "text", "align": "left", "dx": 6}, "encoding": {"x": x, "y": y, "text": {"field": "text"}}},
    ]
    words = [f"{entry['name']} {entry['text']}" for entry in data]
    body: Spec = {"width": WIDTH - 180, "height": {"step": 30}, "data": {"values": data}, "layer": layers}
    return make_spec(f"{title} on {rows[0].machine}", words, rows, **body)


def placement(rows: Sequence[Row]) -> Spec | NoData:
    """Nodes of the graph per provider, stacked, or the reason why there is none."""
    data = list(_nodes(rows))
    if not data:
        return NoData("no report contains which provider took which node")
    providers = list(dict.fromkeys(str(entry["provider"]) for entry in data))
    y: Spec = {"field": "name", "type": "nominal", "sort": None, "title": None, "axis": {"ticks": False}}
    x = quantity("nodes", "nodes of the graph", axis={"tickCount": 5}, stack="zero")
    colour = discrete("provider", providers, PALETTE, title=None, legend={"orient": "bottom", "columns": 2})
    order = {"field": "order", "type": "quantitative"}
    bar = {"type": "bar", "height": {"band": 0.62}, "stroke": "currentColor", "strokeWidth": 0.6}
    words = [f"{entry['name']}: {entry['nodes']} on {entry['provider']}" for entry in data]
    encoding = {"x": x, "y": y, "color": colour, "order": order}
    body: Spec = {
        "width": WIDTH - 120,
        "height": {"step": 34},
        "data": {"values": data},
        "mark": bar,
        "encoding": encoding,
    }
    return make_spec(f"Nodes by provider on {rows[0].machine}", words, rows, **body)


def _nodes(rows: Sequence[Row]) -> Iterator[dict[str, Any]]:
    for row in rows:
        if row.report.placement is None:
            continue
        for order, (provider, nodes) in enumerate(row.report.placement.nodes.items()):
            yield {"name": short_name(row), "provider": printable(provider), "nodes": nodes, "order": order}
