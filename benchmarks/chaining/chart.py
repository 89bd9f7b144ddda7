"""How the cost of a recipe grows, as one drawing of three panels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from chaining.table import cumulated
from olivepress.charts.spec import SCHEMA, discrete, quantity
from olivepress.charts.svg import PALETTE, theme

__all__ = ["chart"]

SIDE = 230


def _panel(title: str, rows: Sequence[Mapping[str, Any]], x: Mapping[str, Any], color: str | None) -> dict[str, Any]:
    drawn = {"x": x, "y": quantity("seconds", "seconds")}
    if color:
        legend = {"orient": "bottom", "direction": "vertical", "title": None}
        names = list(dict.fromkeys(row[color] for row in rows))
        drawn["color"] = discrete(color, names, PALETTE, legend=legend)
    mark: dict[str, Any] = {"type": "line", "point": len(rows) < 40}
    mark |= {} if color else {"color": PALETTE[0]}
    return {
        "title": title, "width": SIDE, "height": SIDE, "data": {"values": list(rows)}, "mark": mark, "encoding": drawn,
    }  # fmt: skip


def chart(record: Mapping[str, Any]) -> dict[str, Any]:
    """A Vega-Lite specification; each panel has its own scales."""
    sizes = [
        {"parameters": size["parameters"] / 1e6, "seconds": seconds, "job": job}
        for size in record["sizes"]
        for job, seconds in size["jobs"].items()
    ]
    panels = [
        _panel("number of targets", cumulated(record), quantity("targets", "targets", axis={"tickMinStep": 1}), "of"),
        _panel("examples of fine-tuning", record["examples"], quantity("examples", "examples"), None),
        _panel("size of the model", sizes, quantity("parameters", "million parameters (random weights)"), "job"),
    ]
    independent = {"color": "independent", "x": "independent", "y": "independent"}
    return {"$schema": SCHEMA, "config": theme(), "hconcat": panels, "resolve": {"scale": independent}}
