"""The difference of two runs as one HTML page: no network, no script, all text escaped."""

from __future__ import annotations

from collections.abc import Sequence

from olivepress.charts.pages import render_page
from olivepress.core.printable import printable
from olivepress.track.difference import Change, Difference, MetricPair
from olivepress.track.figures import figure_text

__all__ = ["difference_page"]

_IDENTICAL = {True: "The artifacts are identical.", False: "The artifacts differ.", None: ""}


def difference_page(difference: Difference) -> str:
    """The page's HTML: what changed in what went in, then the numbers that differ, of the runs and of each machine."""
    differing = [pair for pair in difference.metrics if pair.a != pair.b]
    machines = dict.fromkeys(pair.name.rpartition("/")[0] for pair in differing)
    return render_page(
        "olivepress.track",
        "difference.html",
        a=printable(difference.a),
        b=printable(difference.b),
        changes=[_change(change) for change in difference.changes],
        artifacts=_IDENTICAL[difference.same_artifact],
        tables=[
            {"machine": printable(machine), "rows": _rows(machine, differing)}
            for machine in sorted(machines)  # the runs' own numbers first
        ],
    )


def _change(change: Change) -> dict[str, str]:
    texts = {name: printable(value or "") for name, value in (("name", change.name), ("detail", change.detail))}
    sides = {
        side: "not there" if value is None else printable(value) for side, value in (("a", change.a), ("b", change.b))
    }
    return {"kind": change.kind, **texts, **sides}


def _rows(machine: str, pairs: Sequence[MetricPair]) -> list[dict[str, str]]:
    return [
        {
            "name": printable(pair.name.rpartition("/")[2]),
            "a": figure_text(pair.a),
            "b": figure_text(pair.b),
            "apart": "intervals do not touch" if pair.apart else "",
        }
        for pair in pairs
        if pair.name.rpartition("/")[0] == machine
    ]
