"""A sheet as a page that works offline and saves JSON, and as CSV for those who prefer a spreadsheet."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import json
from importlib import resources

from olivepress.abtest.filled import COLUMNS
from olivepress.abtest.records import Sheet
from olivepress.charts.style import style_sheet

__all__ = ["sheet_csv", "sheet_html"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run


def sheet_html(sheet: Sheet) -> str:
    """One page without network: its own script only, every text set as text."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    folder = resources.files("olivepress.abtest")
    script = folder.joinpath("sheet.js").read_text(encoding="utf-8")
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    env = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    page = env.from_string(folder.joinpath("sheet.html").read_text(encoding="utf-8"))
    return page.render(
        title=sheet.title,
        count=len(sheet.items),
        css=Markup(style_sheet()),
        script=Markup(script),
        script_hash=base64.b64encode(digest).decode("ascii"),
        data=Markup(_inert(sheet)),
    )


def _inert(sheet: Sheet) -> str:
    """JSON for inside a script element: no '<' is left, so no answer can close the element or open a comment."""
    text = json.dumps(sheet.model_dump(mode="json"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


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
