"""The lineage of an artifact as one HTML page: no network, no script, all text escaped."""

from __future__ import annotations

from olivepress.charts.pages import render_page
from olivepress.registry.lineage import Lineage

__all__ = ["lineage_page"]


def lineage_page(found: Lineage) -> str:
    """The page's HTML."""
    return render_page("olivepress.registry", "lineage.html", root=found.root)
