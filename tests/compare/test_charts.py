from __future__ import annotations

import itertools
import re
import sys
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from olivepress.charts.svg import PALETTE, SHAPES
from olivepress.charts.training import PANELS
from olivepress.compare.document import Document
from olivepress.compare.render.charts import (
    Chart,
    NoChart,
    front,
    itl,
    ladder,
    make_charts,
    placement,
    render_png,
    render_svg,
    resource,
)
from olivepress.core.errors import SetupError

from .document_factory import FIRST, SECOND, hostile_document, make_document
from .hostile import HOSTILE

SVG = "{http://www.w3.org/2000/svg}"


def _values(spec: dict[str, Any] | str) -> list[dict[str, Any]]:
    assert isinstance(spec, dict), spec
    return list(spec["data"]["values"])


def test_every_kind_is_drawn_or_says_why() -> None:
    found = make_charts(make_document())
    assert {(c.kind, c.about) for c in found if isinstance(c, Chart)} == {
        ("front", FIRST),
        ("front", SECOND),
        ("ladder", "tiny"),
        *(("training", panel) for panel in PANELS),
        *((kind, machine) for kind in ("itl", "memory", "size", "placement") for machine in (FIRST, SECOND)),
    }
    nothing = make_charts(replace(make_document(), rows=make_document().rows[:1], decisions=()))
    reasons = {c.kind: c.reason for c in nothing if isinstance(c, NoChart)}
    assert reasons["front"] == "no artifact has both an exact match and a decode rate here"
    assert reasons["itl"] == "no time between tokens was measured" and "placement" in reasons and "ladder" in reasons


def test_the_front_has_whiskers_the_edge_and_what_is_recommended() -> None:
    document = make_document()
    points = _values(front(document, document.decisions[0]))
    assert [(p["name"], p["chosen"], p["front"]) for p in points] == [
        ("export-cpu-fp32", False, True),
        ("export-cpu-int4", True, True),
    ]
    assert points[1]["x"] == 1403.25 and points[1]["x_low"] < points[1]["x"] < points[1]["x_high"]
    assert points[1]["y_low"] < 0.96 < points[1]["y_high"]
    spec = front(document, document.decisions[0])
    assert isinstance(spec, dict)
    steps = [layer for layer in spec["layer"] if layer["mark"].get("interpolate")]
    assert [layer["mark"]["interpolate"] for layer in steps] == ["step-before"]
    assert "export-cpu-int4: exact match 96.0 % (93.7 to 98.3), decode 1403 tok/s" in spec["description"]
    assert "recommended" in spec["description"] and "Note: synthetic data" in spec["description"]


def test_labels_of_close_points_do_not_lie_on_each_other() -> None:
    document = make_document()
    close = [replace(document.rows[2], name=f"artifact-{n} @ {FIRST}", short=f"artifact-{n}") for n in range(6)]
    spec = front(replace(document, rows=tuple(close)), document.decisions[0])
    assert isinstance(spec, dict)
    boxes = [_box(point, spec) for point in _values(spec)]
    assert len(boxes) == 6
    for (left, right, y), (other_left, other_right, other_y) in itertools.combinations(boxes, 2):
        assert right <= other_left or other_right <= left or abs(y - other_y) >= 11  # pixels between lines of 12


def _box(point: dict[str, Any], spec: dict[str, Any]) -> tuple[float, float, float]:
    """Left, right and middle of a label in pixels."""
    scales = {axis: spec["layer"][0]["encoding"][axis]["scale"]["domain"] for axis in ("x", "y")}
    x = (point["label_x"] - scales["x"][0]) / (scales["x"][1] - scales["x"][0]) * spec["width"]
    y = (point["label_y"] - scales["y"][0]) / (scales["y"][1] - scales["y"][0]) * spec["height"]
    width = 7 * len(point["label"])
    left = x - {"left": 0.0, "right": width, "center": width / 2}[point["align"]]
    return left, left + width, y


def test_the_ladder_goes_from_base_to_quantized() -> None:
    document = make_document()
    shuffled = replace(document, rows=document.rows[::-1])
    roles = [entry["role"] for entry in _values(ladder(shuffled, "tiny"))]
    assert roles == ["base", "fine-tuned", "exported", "quantized", "quantized"]


def test_numbers_of_the_other_charts() -> None:
    document = make_document()
    rows = [row for row in document.rows if row.machine == FIRST]
    steps = _values(itl(rows))
    assert len(steps) == 2 * 101 and steps[0]["share"] == 0 and steps[100]["share"] == 1
    assert [entry["mb"] for entry in _values(resource(rows, "size_on_disk_bytes", "Size"))] == [5.3, 5.4, 5.6, 2.2]
    assert len(_values(resource(rows, "peak_memory_bytes", "Peak memory"))) == 2
    nodes = _values(placement(document.rows[-1:]))
    assert [(n["provider"], n["nodes"]) for n in nodes] == [("QNNExecutionProvider", 40), ("CPUExecutionProvider", 13)]


def test_colour_is_never_the_only_channel() -> None:
    document = make_document()
    assert len(PALETTE) == len(SHAPES) == len(set(PALETTE))
    for chart in make_charts(document):
        assert isinstance(chart, Chart)
        if chart.kind == "ladder":
            assert any("shape" in layer.get("encoding", {}) for layer in chart.spec["layer"])
        if chart.kind == "front":  # the area is the size, so that all are circles: each has its name beside it
            assert all(point["label"].startswith(point["artifact"]) for point in _values(chart.spec))
            assert any(layer["mark"].get("fontWeight") == 700 for layer in chart.spec["layer"])
        if chart.kind == "itl":
            assert "strokeDash" in chart.spec["encoding"]


def _svgs(document: Document) -> list[str]:
    pytest.importorskip("vl_convert")
    return [render_svg(chart.spec) for chart in make_charts(document) if isinstance(chart, Chart)]


def test_svgs_are_accessible_and_take_the_ink_of_the_page() -> None:
    for svg in _svgs(make_document()):
        root = ElementTree.fromstring(svg)
        title, desc = root[0], root[1]
        assert root.get("role") == "img" and (title.tag, desc.tag) == (f"{SVG}title", f"{SVG}desc")
        assert root.get("aria-labelledby") == title.get("id") and root.get("aria-describedby") == desc.get("id")
        assert title.text and desc.text and re.search(r"\d", desc.text)
        fills = {e.get("fill") for e in root.iter(f"{SVG}text")}
        assert fills == {"currentColor"}, fills


def test_hostile_texts_in_charts_stay_texts() -> None:
    for svg in _svgs(hostile_document(HOSTILE)):
        root = ElementTree.fromstring(svg)
        tags = {element.tag.removeprefix(SVG) for element in root.iter()}
        assert tags <= {"svg", "title", "desc", "g", "path", "line", "rect", "circle", "text", "tspan"}
        names = {name for element in root.iter() for name in element.attrib}
        assert not {n for n in names if n.startswith("on") or "href" in n or n == "style"}
        classes = {e.get("class", "fill-0") for e in root.iter()}
        assert all(re.fullmatch(r"((^| )(fill|stroke)-[0-5])+", each) for each in classes)
        assert "\x1b" not in svg and "\u202e" not in svg and "url(" not in svg


def test_a_link_is_dropped_and_its_drawing_kept() -> None:
    pytest.importorskip("vl_convert")
    mark = {"type": "text", "href": "https://elsewhere.example", "text": "here"}
    spec = {"title": "t", "description": "d", "data": {"values": [{"x": 1}]}, "mark": mark}
    svg = render_svg(spec)
    assert ">here<" in svg and "href" not in svg and "elsewhere" not in svg


def test_labels_are_inside_the_drawing_in_a_wide_font() -> None:
    for svg in _svgs(make_document()):
        left, _, width, _ = (float(v) for v in ElementTree.fromstring(svg).get("viewBox", "").split())
        assert left <= 0 and width > 300


def test_png() -> None:
    pytest.importorskip("vl_convert")
    chart = make_charts(make_document())[0]
    assert isinstance(chart, Chart) and render_png(chart.spec, scale=1.0).startswith(b"\x89PNG\r\n")


def test_without_vl_convert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(SetupError) as caught:
        render_svg({})
    assert "olivepress[report]" in str(caught.value.next_step)
