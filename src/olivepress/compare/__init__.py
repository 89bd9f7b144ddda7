"""Compares device reports and shows them: terminal, JSON, Markdown, HTML."""

from olivepress.compare.page import render_terminal, to_html, to_json, to_markdown, write_report_page
from olivepress.compare.stats import mcnemar_exact, paired_bootstrap
from olivepress.compare.table import build_table, load_reports

__all__ = [
    "build_table",
    "load_reports",
    "mcnemar_exact",
    "paired_bootstrap",
    "render_terminal",
    "to_html",
    "to_json",
    "to_markdown",
    "write_report_page",
]
