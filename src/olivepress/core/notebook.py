"""Records as small pieces of HTML, which a notebook shows by itself; nothing here needs a notebook.

The names of the colors are those of the pages (charts/page.css). Their values are those of the notebook: its scheme is
its own, whatever the system's is, so that text and lines are shades of the text around them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from olivepress.core.printable import printable

__all__ = ["facts_html", "record_html", "table_html"]

_MOST_ROWS = 60
_STYLE = (
    "<style>.olivepress-record{--ink:currentColor;--soft:color-mix(in srgb,currentColor 70%,transparent);"
    "--line:color-mix(in srgb,currentColor 25%,transparent);"
    "font:14px/1.45 system-ui,-apple-system,'Segoe UI',sans-serif;overflow-x:auto}"
    ".olivepress-record h4{margin:.2em 0 .4em;font-size:1.05em;color:var(--ink)}"
    ".olivepress-record table{border-collapse:collapse;margin:0 0 .7em;font-variant-numeric:tabular-nums}"
    ".olivepress-record th,.olivepress-record td{padding:.25em .9em .25em 0;text-align:left;vertical-align:top;"
    "border-bottom:1px solid var(--line);background:none;color:var(--ink);font-weight:400;max-width:46em}"
    ".olivepress-record th{color:var(--soft)}</style>"
)


def record_html(title: str, *parts: str) -> str:
    """A record with its title; ``parts`` come from ``facts_html`` and ``table_html``."""
    return f'<div class="olivepress-record">{_STYLE}<h4>{_text(title)}</h4>{"".join(parts)}</div>'


def facts_html(facts: Iterable[tuple[str, Any]]) -> str:
    """Names with their values; those without one are left out."""
    shown = [(name, value) for name, value in facts if value not in (None, "")]
    rows = [f"<tr><th>{_text(name)}</th><td>{_text(value)}</td></tr>" for name, value in shown]
    return f"<table>{''.join(rows)}</table>" if rows else ""


def table_html(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table; of a long one the first rows, and how many there are."""
    every = list(rows)
    if not every:
        return ""
    top = "".join(f"<th>{_text(name)}</th>" for name in head)
    body = "".join(f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in row)}</tr>" for row in every[:_MOST_ROWS])
    left_out = len(every) - _MOST_ROWS
    more = f"<tr><td colspan={len(head)}>and {left_out:,} more</td></tr>" if left_out > 0 else ""
    return f"<table><thead><tr>{top}</tr></thead><tbody>{body}{more}</tbody></table>"


def _text(value: Any) -> str:
    return escape(printable("–" if value is None else str(value)))
