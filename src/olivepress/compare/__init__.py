"""Compares device reports, decides what to ship where, and shows it: terminal, JSON, Markdown, CSV, HTML."""

from olivepress.compare.comparison import compare
from olivepress.compare.document import Document
from olivepress.compare.gate import Gate, gate
from olivepress.compare.load import Loaded, load
from olivepress.compare.render.formats import gate_markdown, to_csv, to_json, to_markdown
from olivepress.compare.render.page import to_html, write_report_page
from olivepress.compare.render.terminal import render_terminal
from olivepress.compare.render.terminal_short import render_short
from olivepress.compare.sources import find_reports

__all__ = [
    "Document",
    "Gate",
    "Loaded",
    "compare",
    "find_reports",
    "gate",
    "gate_markdown",
    "load",
    "render_short",
    "render_terminal",
    "to_csv",
    "to_html",
    "to_json",
    "to_markdown",
    "write_report_page",
]
