"""The chart of the decision: exact match against decode rate, the size on disk as area, with what nothing beats."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from olivepress.charts.labels import LINE, Box, PlacedLabel, Point, place_labels, width_of
from olivepress.charts.spec import WIDTH, NoData, Spec, make_spec, quantity
from olivepress.charts.svg import PALETTE
from olivepress.compare.document import Candidate, Decision, Document, Row
from olivepress.compare.render.phrases import cell, short_name
from olivepress.core.printable import printable

__all__ = ["NARROW", "front"]

HEIGHT = 250
NARROW = 310  # the drawing of a phone
MOST_LABELS = 20  # more points than this have labels only where they are chosen or on the front
FEW = 5  # points that have marks of the full size
LARGEST_AREA, SMALLEST_RADIUS, NO_SIZE = 900.0, 2.5, 60.0  # square pixels, pixels, square pixels
EDGE = 0.07  # of an axis, beyond the smallest or largest value that there can be
LEADER = 14.0  # pixels between the drawing and the column of labels
CHOSEN, OTHER = PALETTE[0], "currentColor"


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """From values to pixels and back."""

    low: float
    high: float
    pixels: float

    def to_pixels(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low) * self.pixels

    def to_value(self, pixels: float) -> float:
        return self.low + pixels / self.pixels * (self.high - self.low)


def front(document: Document, decision: Decision, *, width: float = WIDTH) -> Spec | NoData:
    """Exact match against decode rate of one machine's artifacts, or the reason why there is none.

    ``width`` in pixels of the drawing with its labels.
    """
    rows = [row for row in document.rows if row.machine == decision.machine]
    rows = [row for row in rows if not decision.recipe or row.report.recipe == decision.recipe]
    judged = {candidate.name: candidate for candidate in decision.candidates}
    points = [point for row in rows if (point := _point(row, judged.get(row.name), decision))]
    if not points:
        return NoData("no artifact has both an exact match and a decode rate here")
    _set_areas(points)
    labelled = _labelled(points, narrow=width < WIDTH)
    height = max(HEIGHT, LINE * len(labelled))
    x_domain = _domain([v for p in points for v in (p["x"], p["x_low"], p["x_high"])], low=0.0)
    y_domain = _domain([v for p in points for v in (p["y"], p["y_low"], p["y_high"])], low=0.0, high=1.0)
    scales = (
        _Scale(low=x_domain[0], high=x_domain[1], pixels=width),
        _Scale(low=y_domain[0], high=y_domain[1], pixels=height),
    )
    if not _place(labelled, scales, width):  # in a column: the drawing is narrower by the width of the longest label
        inner = width - LEADER - max(width_of(point["label"]) for point in labelled)
        scales = (_Scale(low=x_domain[0], high=x_domain[1], pixels=max(inner, width * 0.4)), scales[1])
        _place(labelled, scales, scales[0].pixels, in_column=True)
    body: Spec = {"width": scales[0].pixels, "height": height, "data": {"values": points}}
    body["layer"] = list(_layers(points, x_domain, y_domain))
    title, words = f"Exact match against decode rate on {decision.machine}", [point["words"] for point in points]
    hint = "Right and up is better; the area is the size on disk. "
    return make_spec(title, words, rows, hint=hint, **body)


def _layers(points: list[dict[str, Any]], x_domain: list[float], y_domain: list[float]) -> Iterator[Spec]:
    x = quantity("x", "speed: decode, tokens/s", scale={"domain": x_domain, "nice": False}, axis={"tickCount": 4})
    y = quantity(
        "y", "accuracy: exact match", scale={"domain": y_domain, "nice": False}, axis={"tickCount": 5, "format": ".0%"}
    )
    at_x, at_y = ({key: value for key, value in channel.items() if key != "field"} for channel in (x, y))
    colour = {
        "field": "chosen",
        "type": "nominal",
        "scale": {"domain": [True, False], "range": [CHOSEN, OTHER]},
        "legend": None,
    }
    rule = {"type": "rule", "strokeWidth": 1.5, "opacity": 0.55}
    at = {"x": x, "y": y, "color": colour}
    yield {"mark": rule, "encoding": at | {"x": at_x | {"field": "x_low"}, "x2": {"field": "x_high"}}}
    yield {"mark": rule, "encoding": at | {"y": at_y | {"field": "y_low"}, "y2": {"field": "y_high"}}}
    if sum(point["front"] for point in points) > 1:
        mark = {"type": "line", "interpolate": "step-before", "strokeDash": [5, 4], "opacity": 0.55}
        encoding = {"x": x, "y": y, "order": {"field": "x", "type": "quantitative"}}
        yield {
            "transform": [{"filter": "datum.front"}],
            "mark": mark | {"stroke": "currentColor"},
            "encoding": encoding,
        }
    size = {"field": "area", "type": "quantitative", "scale": None, "legend": None}
    circle = {"type": "circle", "opacity": 1, "strokeWidth": 1.5}
    for wanted, ink, fill in (("!datum.chosen", OTHER, 0.16), ("datum.chosen", CHOSEN, 0.75)):
        mark = circle | {"fill": ink, "fillOpacity": fill, "stroke": ink}
        yield {"transform": [{"filter": wanted}], "mark": mark, "encoding": {"x": x, "y": y, "size": size}}
    leader = {"type": "rule", "strokeWidth": 1, "opacity": 0.4, "stroke": "currentColor"}
    ends = {"x": at_x | {"field": "edge"}, "x2": {"field": "leader_x"}, "y": y, "y2": {"field": "label_y"}}
    yield {"transform": [{"filter": "datum.apart"}], "mark": leader, "encoding": ends}
    yield from _labels({"x": at_x | {"field": "label_x"}, "y": at_y | {"field": "label_y"}, "text": {"field": "label"}})


def _labels(encoding: Spec) -> Iterator[Spec]:
    """The names, heavy where chosen, on the side that was found for them."""
    for weight, wanted in ((700, "datum.chosen"), (400, "!datum.chosen")):
        for align in ("left", "right", "center"):
            text = {"type": "text", "align": align, "fontWeight": weight}
            transform = [{"filter": f"{wanted} && datum.align == '{align}'"}]
            yield {"transform": transform, "mark": text, "encoding": encoding}


def _point(row: Row, candidate: Candidate | None, decision: Decision) -> dict[str, Any] | None:
    accuracy, speed = row.report.metrics.get("exact_match"), row.report.metrics.get("decode_tps")
    if accuracy is None or speed is None or accuracy.value is None or speed.value is None:
        return None
    name, chosen = short_name(row), row.name in decision.chosen
    on_front = candidate is not None and candidate.on_front
    texts = [cell(row, metric) for metric in ("exact_match", "decode_tps")]
    numbers = [f"{text.text} ({text.interval})" if text.interval else text.text for text in texts]
    size = cell(row, "size_on_disk_bytes")
    if size.number is not None:
        numbers.append(size.text)
    remarks = [word for word, holds in (("on the front", on_front), ("recommended", chosen)) if holds]
    words = f"{name}: exact match {numbers[0]}, decode {', '.join(numbers[1:])}"
    return {
        "name": name,
        "artifact": printable(row.artifact),
        "x": speed.value,
        "x_low": speed.ends[0],
        "x_high": speed.ends[1],
        "y": accuracy.value,
        "y_low": accuracy.ends[0],
        "y_high": accuracy.ends[1],
        "bytes": size.number,
        "size_text": size.text if size.number is not None else "",
        "front": on_front,
        "chosen": chosen,
        "words": words + "".join(f", {word}" for word in remarks),
        "label": "",
        "align": "",
        "apart": False,
    }


def _set_areas(points: list[dict[str, Any]]) -> None:
    """Square pixels in proportion to the bytes: the largest artifact has ``LARGEST_AREA``, less among many."""
    largest = max((point["bytes"] or 0.0 for point in points), default=0.0)
    most = LARGEST_AREA * min(1.0, FEW / len(points))
    for point in points:
        area = most * (point["bytes"] or 0.0) / largest if largest else NO_SIZE
        point["area"] = max(area, math.pi * SMALLEST_RADIUS**2)


def _labelled(points: list[dict[str, Any]], *, narrow: bool) -> list[dict[str, Any]]:
    """The points with a label, the recommended first; each gets its text."""
    shown = [p for p in points if p["chosen"] or p["front"]] if len(points) > MOST_LABELS else list(points)
    shown = (shown or points)[: 2 * MOST_LABELS]
    longest = 15 if narrow else 28
    for point in shown:
        name = _shortened(point["artifact"], longest)
        point["label"] = f"{name}, {point['size_text']}" if point["size_text"] else name
    return sorted(shown, key=lambda p: (not p["chosen"], p["y"]))


def _shortened(name: str, longest: int) -> str:
    """Its beginning and its end: long names often differ there only."""
    if len(name) <= longest:
        return name
    end = longest // 3
    return f"{name[: longest - end - 1]}…{name[-end:]}"


def _domain(values: Sequence[float], *, low: float | None = None, high: float | None = None) -> list[float]:
    """The values' range with a margin, inside [low, high]: an axis cut off is fine where positions are compared."""
    bottom, top = min(values), max(values)
    margin = max(0.15 * (top - bottom), 0.05 * abs(top)) or 0.1  # one point alone is no close-up of its own interval
    bottom, top = bottom - margin, top + margin
    room = EDGE * (top - bottom)  # for the half of a mark at the very end
    return [
        bottom if low is None else max(low - room, bottom),
        top if high is None else min(high + room, top),
    ]


def _place(points: list[dict[str, Any]], scales: tuple[_Scale, _Scale], width: float, in_column: bool = False) -> bool:
    """Set where each label stands, in the units of the axes. False where they do not fit beside their points."""
    x, y = scales
    radii = [math.sqrt(point["area"] / math.pi) for point in points]
    there = [
        Point(x=x.to_pixels(p["x"]), y=y.to_pixels(p["y"]), radius=radius, text=p["label"])
        for p, radius in zip(points, radii, strict=True)
    ]
    front = [(at.x, at.y) for point, at in zip(points, there, strict=True) if point["front"]]
    places = place_labels(there, width, y.pixels, width + LEADER, list(_steps(sorted(front))))
    if any(place.is_apart for place in places) and not in_column:
        return False
    for point, at, place in zip(points, there, places, strict=True):
        _set_place(point, at, place, scales)
    return True


def _steps(front: Sequence[tuple[float, float]]) -> Iterator[Box]:
    """The dashed line: from each point up or down to the height of the next, then across to it."""
    for (x, y), (next_x, next_y) in pairwise(front):
        yield x - 1.0, min(y, next_y), x + 1.0, max(y, next_y)
        yield x, next_y - 1.0, next_x, next_y + 1.0


def _set_place(point: dict[str, Any], at: Point, place: PlacedLabel, scales: tuple[_Scale, _Scale]) -> None:
    x, y = scales
    point |= {"align": place.align, "apart": place.is_apart}
    point |= {"label_x": x.to_value(place.x), "label_y": y.to_value(place.y)}
    point |= {"edge": x.to_value(at.x + at.radius), "leader_x": x.to_value(place.x - 3)}
