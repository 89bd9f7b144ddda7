"""Compares device reports, decides what to ship where, and shows it: terminal, JSON, Markdown, CSV, HTML."""

from olivepress.compare.comparison import compare
from olivepress.compare.document import Document
from olivepress.compare.gate import Gate, gate
from olivepress.compare.load import Loaded, load
from olivepress.compare.sources import find_reports

__all__ = ["Document", "Gate", "Loaded", "compare", "find_reports", "gate", "load"]
