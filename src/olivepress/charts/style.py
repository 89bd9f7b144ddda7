"""The style sheets of the pages."""

from __future__ import annotations

from importlib import resources
from typing import Literal

__all__ = ["style_sheet"]


def style_sheet(name: Literal["page", "report"] = "page") -> str:
    """CSS for both color schemes, to stand inside a page; it fetches nothing.

    "page" is what every page needs, "report" what only a comparison adds to it.
    """
    return resources.files("olivepress.charts").joinpath(f"{name}.css").read_text(encoding="utf-8")
