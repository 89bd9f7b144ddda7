"""The chart of the decision: exact match against decode rate, with what nothing beats in both."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from olivepress.charts.spec import WIDTH, NoData, Spec, discrete, make_spec, quantity
from olivepress.charts.svg import PALETTE, SHAPES
from olivepress.compare.document import Candidate, Decision, Document, Row
from olivepress.compare.render.phrases import cell, short_name

__all__ = ["front"]

HEIGHT = 260
LABEL_PX, CHAR_PX = 15, 6.8  # a label's height and the width of its letters, to keep labels off each other


def front(document: Document, decision: Decision) -> Spec | NoData:
    """Exact match against decode rate of one machine's artifacts, or the reason why there is none."""
    rows = [row for row in document.rows if row.machine == decision.machine]
    rows = [row for row in rows if not decision.recipe or row.report.recipe == decision.recipe]
    judged = {candidate.name: candidate for candidate in decision.candidates}
    points = [point for row in rows if (point := _point(row, judged.get(row.name), decision))]
    if not points:
        return NoData("no artifact has both an exact match and a decode rate here")
    x_domain = _domain([v for p in points for v in (p["x"], p["x_low"], p["x_high"])], low=0.0)
    y_domain = _domain([v for p in points for v in (p["y"], p["y_low"], p["y_high"])], low=0.0, high=1.0)
    _place_labels(points, x_domain, y_domain)
    x = quantity(
        "x", "decode, tokens/s (more is faster)", scale={"domain": x_domain, "nice": False}, axis={"tickCount": 5}
    )
    y = quantity("y", "exact match", scale={"domain": y_domain, "nice": False}, axis={"tickCount": 5, "format": ".0%"})
    at_x, at_y = ({key: value for key, value in channel.items() if key != "field"} for channel in (x, y))
    names = [str(point["name"]) for point in points]
    colour = discrete("name", names, PALETTE, legend=None)
    at = {"x": x, "y": y, "color": colour}
    layers: list[Spec] = []
    edge = [p for p in points if p["front"]]
    if len(edge) > 1:
        mark = {"type": "line", "interpolate": "step-before", "strokeDash": [5, 4], "opacity": 0.55}
        layers.append({"transform": [{"filter": "datum.front"}], "mark": mark | {"stroke": "currentColor"}})
        layers[-1]["encoding"] = {"x": x, "y": y, "order": {"field": "x", "type": "quantitative"}}
    rule = {"type": "rule", "strokeWidth": 2, "opacity": 0.8}
    layers.append({"mark": rule, "encoding": at | {"x": at_x | {"field": "x_low"}, "x2": {"field": "x_high"}}})
    layers.append({"mark": rule, "encoding": at | {"y": at_y | {"field": "y_low"}, "y2": {"field": "y_high"}}})
    ring = {"type": "point", "filled": False, "size": 420, "strokeWidth": 2, "stroke": "currentColor", "opacity": 1}
    layers.append({"transform": [{"filter": "datum.chosen"}], "mark": ring, "encoding": {"x": x, "y": y}})
    dot = {"type": "point", "filled": True, "size": 110, "opacity": 1}
    shape = discrete("name", names, SHAPES, legend=None)
    layers.append({"mark": dot, "encoding": at | {"shape": shape}})
    layers += _labels({"x": x, "y": at_y | {"field": "label_y"}, "text": {"field": "label"}})
    body: Spec = {"width": WIDTH, "height": HEIGHT, "data": {"values": points}, "layer": layers}
    title, words = f"Exact match against decode rate on {decision.machine}", [point["words"] for point in points]
    return make_spec(title, words, rows, hint="Right and up is better. ", **body)


def _labels(encoding: Spec) -> Iterator[Spec]:
    """The names, heavy where chosen, to the left or right of their points."""
    for weight, wanted in ((700, "datum.chosen"), (400, "!datum.chosen")):
        for align, dx, side in (("left", 14, "!datum.label_left"), ("right", -14, "datum.label_left")):
            text = {"type": "text", "align": align, "dx": dx, "limit": 260, "fontWeight": weight}
            yield {"transform": [{"filter": f"{wanted} && {side}"}], "mark": text, "encoding": encoding}


def _point(row: Row, candidate: Candidate | None, decision: Decision) -> dict[str, Any] | None:
    accuracy, speed = row.report.metrics.get("exact_match"), row.report.metrics.get("decode_tps")
    if accuracy is None or speed is None or accuracy.value is None or speed.value is None:
        return None
    name, chosen = short_name(row), row.name in decision.chosen
    on_front = candidate is not None and candidate.on_front
    texts = [cell(row, metric) for metric in ("exact_match", "decode_tps")]
    numbers = [f"{text.text} ({text.interval})" if text.interval else text.text for text in texts]
    remarks = [word for word, holds in (("on the front", on_front), ("recommended", chosen)) if holds]
    return {
        "name": name,
        "label": f"{name} – recommended" if chosen else name,
        "x": speed.value,
        "x_low": speed.ends[0],
        "x_high": speed.ends[1],
        "y": accuracy.value,
        "y_low": accuracy.ends[0],
        "y_high": accuracy.ends[1],
        "front": on_front,
        "chosen": chosen,
        "words": f"{name}: exact match {numbers[0]}, decode {numbers[1]}" + "".join(f", {word}" for word in remarks),
    }


def _domain(values: Sequence[float], *, low: float | None = None, high: float | None = None) -> list[float]:
    """The values' range with a margin, inside [low, high]: an axis cut off is fine where positions are compared."""
    bottom, top = min(values), max(values)
    margin = max(0.15 * (top - bottom), 0.05 * abs(top)) or 0.1  # one point alone is no close-up of its own interval
    bottom, top = bottom - margin, top + margin
    return [bottom if low is None else max(low, bottom), top if high is None else min(high, top)]


def _place_labels(points: list[dict[str, Any]], x_domain: list[float], y_domain: list[float]) -> None:
    """Set where each label stands: on the side with room, on the nearest line that no other label has."""
    taken: list[tuple[float, float, float]] = []
    for point in sorted(points, key=lambda p: (not p["chosen"], p["y"])):
        x, length = (point["x"] - x_domain[0]) / (x_domain[1] - x_domain[0]) * WIDTH, CHAR_PX * len(point["label"])
        point["label_left"] = x + length > WIDTH and x > WIDTH / 2
        left = x - 14 - length if point["label_left"] else x + 14
        right = left + length
        # Above its point: beside it runs the whisker.
        at = (point["y"] - y_domain[0]) / (y_domain[1] - y_domain[0]) * HEIGHT + 12
        for step in sorted(range(-9, 10), key=lambda s: (abs(s), s)):
            y = at + (step and step - math.copysign(0.2, step)) * LABEL_PX
            if all(abs(y - other) >= LABEL_PX - 1 or right < a or left > b for a, b, other in taken):
                break
        taken.append((left, right, y))
        point["label_y"] = y_domain[0] + y / HEIGHT * (y_domain[1] - y_domain[0])
