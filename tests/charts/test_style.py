"""The colours of the pages, by computation: WCAG 2.1's contrast, and how far apart they are for colour-blind eyes."""

from __future__ import annotations

import itertools
import re

import pytest

from olivepress.charts.style import style_sheet
from olivepress.charts.svg import PALETTE

Colour = tuple[float, float, float]
TEXTS = ("ink", "soft", "accent", "mark", "bad", "good")
PAPERS = ("paper", "card", "band")


def _variables(scheme: str) -> dict[str, str]:
    sheet = style_sheet("page")
    light, dark = sheet.split("@media (prefers-color-scheme: dark)", 1)
    found = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", light))
    found |= {f"chart-{number}": colour.lower() for number, colour in enumerate(PALETTE)}
    if scheme == "dark":
        found |= dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", dark[: dark.index("*, *::before")]))
    return found


def _linear(colour: str) -> Colour:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return red, green, blue


def _luminance(colour: str) -> float:
    return sum(part * weight for part, weight in zip(_linear(colour), (0.2126, 0.7152, 0.0722), strict=True))


def _contrast(a: str, b: str) -> float:
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_and_charts_have_contrast(scheme: str) -> None:
    colours = _variables(scheme)
    for text, paper in itertools.product(TEXTS, PAPERS):
        assert _contrast(colours[text], colours[paper]) >= 4.5, (text, paper)
    assert _contrast(colours["mark"], colours["mark-soft"]) >= 4.5
    assert _contrast(colours["accent"], colours["accent-soft"]) >= 4.5
    # WCAG 1.4.11: what a chart draws with. The recommended artifact is in the first colour.
    assert _contrast(colours["chart-0"], colours["paper"]) >= 3


# G. M. Machado et al., A Physiologically-based Model for Simulation of Color Vision Deficiency (2009), severity 1.
BLIND = {
    "protanopia": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "deuteranopia": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
}


def _seen(colour: str, kind: str) -> Colour:
    rows = [sum(a * b for a, b in zip(row, _linear(colour), strict=True)) for row in BLIND[kind]]
    return rows[0], rows[1], rows[2]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", BLIND)
def test_better_and_worse_differ_for_colour_blind_eyes(scheme: str, kind: str) -> None:
    """In hue or lightness; and each has a sign beside it."""
    colours = _variables(scheme)
    for a, b in (("good", "bad"), ("chart-0", "chart-1")):
        x, y = _seen(colours[a], kind), _seen(colours[b], kind)
        assert sum((p - q) ** 2 for p, q in zip(x, y, strict=True)) ** 0.5 > 0.05, (a, b)
