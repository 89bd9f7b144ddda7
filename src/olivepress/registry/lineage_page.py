"""The lineage of an artifact as one HTML page: no network, no script, all text escaped."""

from __future__ import annotations

from importlib import resources

from olivepress.charts.style import style_sheet
from olivepress.registry.lineage import Lineage

__all__ = ["lineage_page"]


def lineage_page(found: Lineage) -> str:
    """The page's HTML."""
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    env = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=StrictUndefined)
    text = resources.files("olivepress.registry").joinpath("lineage.html").read_text(encoding="utf-8")
    return env.from_string(text).render(root=found.root, css=Markup(style_sheet()))
