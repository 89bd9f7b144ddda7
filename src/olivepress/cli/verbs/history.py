"""``olivepress history``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption
from olivepress.core.layout import HISTORY_PAGE

__all__ = ["history"]


def history(
    out: Annotated[Path, typer.Option("--out", metavar="FILE", help="Where to write the page.")] = HISTORY_PAGE,
    as_json: JsonOption = False,
) -> None:
    """Show how the metrics of all reports changed over git's commits.

    Reads benchmarks/results, and marks the points where the level of a metric changed.
    """
    from olivepress.compare.history import read_history
    from olivepress.compare.render.history_page import history_html
    from olivepress.core.files import write_text

    all_series, unreadable = read_history()
    if as_json:
        print(json.dumps({"series": [asdict(series) for series in all_series], "not_read": unreadable}, indent=1))
        return
    write_text(out, history_html(all_series, unreadable))
    for series in all_series:
        counts = f"{len(series.points)} reports, {len(series.changes)} changes"
        print(f"{series.machine} {series.recipe} {series.job} {series.metric}: {counts}")
    for text in unreadable:
        print(f"not read: {text}", file=sys.stderr)
    print(f"page: {out}")
