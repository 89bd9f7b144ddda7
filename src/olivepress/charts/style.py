"""The style sheet that every page shares."""

from __future__ import annotations

from importlib import resources

__all__ = ["style_sheet"]


def style_sheet() -> str:
    """CSS for both color schemes, to stand inside a page; it fetches nothing."""
    return resources.files("olivepress.charts").joinpath("page.css").read_text(encoding="utf-8")
