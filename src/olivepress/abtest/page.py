"""A sheet as a page that works offline and saves JSON, and as CSV for those who prefer a spreadsheet."""

from __future__ import annotations

import csv
import io
import json
from importlib import resources

from olivepress.abtest.filled import COLUMNS
from olivepress.abtest.records import Sheet
from olivepress.charts.pages import inert, render_page, script_hash

__all__ = ["sheet_csv", "sheet_html"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run


def sheet_html(sheet: Sheet) -> str:
    """One page without network: its own script only, every text set as text."""
    from markupsafe import Markup

    script = resources.files("olivepress.abtest").joinpath("sheet.js").read_text(encoding="utf-8")
    return render_page(
        "olivepress.abtest",
        "sheet.html",
        title=sheet.title,
        count=len(sheet.items),
        script=Markup(script),
        script_hash=script_hash(script),
        data=Markup(inert(json.dumps(sheet.model_dump(mode="json")))),
    )


def sheet_csv(sheet: Sheet) -> str:
    """The same items with an empty column for the vote. A text that a spreadsheet would run gets a ' before it."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for item in sheet.items:
        writer.writerow([sheet.id, item.id, _plain(item.prompt), _plain(item.left), _plain(item.right), "", ""])
    return out.getvalue()


def _plain(text: str) -> str:
    text = text.encode("utf-8", "replace").decode("utf-8")  # half of a pair of surrogates is no text to a file
    return f"'{text}" if text.startswith(_FORMULA) else text
