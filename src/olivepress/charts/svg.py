"""Vega-Lite specifications → SVG and PNG, without a browser and without the network.

What comes back is rebuilt from a list of allowed elements and attributes: no link, script, style or outside reference
can reach the page, whatever a report was named.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

from olivepress.core.errors import SetupError

__all__ = ["INSTALL", "PALETTE", "PAPER_INK", "SHAPES", "VL_VERSION", "can_draw", "render_png", "render_svg", "theme"]

VL_VERSION = "5.21"
INSTALL = "pip install 'olivepress[report]'"
# M. Okabe, K. Ito, Color Universal Design (2008), without black (unseen on dark paper) and yellow (unseen on white).
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
SHAPES = ("circle", "square", "triangle-up", "diamond", "triangle-down", "cross")
PAPER_INK = "#1b1f23"
WIDEST = 0.66  # of the font's size: a letter of a wide font. The reader's font is not the one that was laid out with
SVG = "http://www.w3.org/2000/svg"
PAINTS = ("fill", "stroke")
ELEMENTS = {"svg", "g", "path", "line", "rect", "circle", "text", "tspan"}
ATTRIBUTES = {
    "width",
    "height",
    "viewBox",
    "transform",
    "d",
    "x",
    "y",
    "x1",
    "x2",
    "y1",
    "y2",
    "dx",
    "dy",
    "r",
    "cx",
    "cy",
    "fill",
    "fill-opacity",
    "stroke",
    "stroke-opacity",
    "stroke-width",
    "stroke-dasharray",
    "stroke-linecap",
    "stroke-linejoin",
    "stroke-miterlimit",
    "opacity",
    "display",
    "text-anchor",
    "font-size",
    "font-weight",
    "font-style",
}
TRANSLATE = re.compile(r"translate\(\s*(-?[\d.eE+-]+)")
REFERENCE = re.compile(r"url\s*\(|javascript:|data:|//", re.IGNORECASE)


def theme() -> dict[str, Any]:
    """Ink is ``currentColor``: the same drawing works on light paper, on dark and in print."""
    ink, font = "currentColor", "sans-serif"
    words: dict[str, Any] = {"labelColor": ink, "titleColor": ink, "labelFont": font, "titleFont": font}
    words |= {"labelFontSize": 12, "titleFontSize": 12, "titleFontWeight": 500}
    grid: dict[str, Any] = {
        "domainColor": ink,
        "tickColor": ink,
        "gridColor": ink,
        "gridOpacity": 0.13,
        "domainOpacity": 0.5,
    }
    return {
        "axis": words | grid | {"labelLimit": 220, "tickOpacity": 0.5, "labelPadding": 5, "titlePadding": 10},
        "legend": words
        | {"labelLimit": 320, "symbolSize": 90, "symbolStrokeWidth": 2.5, "rowPadding": 4, "columnPadding": 26},
        "header": words,
        "title": {"color": ink, "font": font, "fontSize": 14, "anchor": "start"},
        "text": {"color": ink, "font": font, "fontSize": 12},
        "view": {"stroke": None},
        "range": {"category": list(PALETTE), "symbol": list(SHAPES)},
    }


def can_draw() -> bool:
    """Whether vl-convert is installed: charts are an extra."""
    try:
        import vl_convert  # noqa: F401
    except ImportError:
        return False
    return True


def _converter() -> Any:
    try:
        import vl_convert
    except ImportError as error:
        raise SetupError("charts need vl-convert-python", next_step=INSTALL) from error
    return vl_convert


def render_svg(spec: dict[str, Any]) -> str:
    """An <svg> to stand inside a page, with <title> and <desc> from the spec's title and description.

    SetupError where vl-convert is not installed; ValueError for a spec that it does not understand.
    """
    drawn = {key: value for key, value in spec.items() if key != "title"}
    root = ElementTree.fromstring(_converter().vegalite_to_svg(drawn, vl_version=VL_VERSION))
    mark = hashlib.sha256(json.dumps(spec, sort_keys=True).encode()).hexdigest()[:10]
    svg = _clean(root)
    width, height = (float(root.get(side, "0")) for side in ("width", "height"))
    ends = [0.0, width, *_text_ends(svg, 0.0)]
    left, right = math.floor(min(ends)), math.ceil(max(ends))
    svg.attrib |= {"role": "img", "aria-labelledby": f"t-{mark}", "aria-describedby": f"d-{mark}", "xmlns": SVG}
    svg.attrib |= {"width": str(right - left), "height": f"{height:g}"}
    svg.attrib |= {"viewBox": f"{left} 0 {right - left} {height:g}"}
    desc = ElementTree.Element("desc", {"id": f"d-{mark}"})
    desc.text = str(spec.get("description", ""))
    title = ElementTree.Element("title", {"id": f"t-{mark}"})
    title.text = str(spec.get("title", ""))
    svg[:0] = [title, desc]
    return ElementTree.tostring(svg, encoding="unicode")


def render_png(spec: dict[str, Any], *, scale: float = 2.0) -> bytes:
    """The chart with its title on white paper, ``scale`` pixels to a point; errors as ``render_svg``."""
    text = json.dumps(spec | {"background": "#ffffff", "padding": 16}).replace('"currentColor"', f'"{PAPER_INK}"')
    return bytes(_converter().vegalite_to_png(text, vl_version=VL_VERSION, scale=scale))


def _clean(element: ElementTree.Element) -> ElementTree.Element:
    """The element without a namespace, with allowed attributes, and with the allowed of its children."""
    name = element.tag.removeprefix(f"{{{SVG}}}")
    kept = {k: v for k, v in element.attrib.items() if k in ATTRIBUTES and not REFERENCE.search(v)}
    # The page gives the palette lighter colours on dark paper; by classes, as a page may allow no style attributes.
    paints = [f"{k}-{PALETTE.index(kept[k])}" for k in PAINTS if kept.get(k) in PALETTE]
    cleaned = ElementTree.Element(name, kept | ({"class": " ".join(paints)} if paints else {}))
    if name in ("text", "tspan"):
        cleaned.text = element.text
    for child in element:
        tag = child.tag.removeprefix(f"{{{SVG}}}") if isinstance(child.tag, str) else ""
        if tag == "a":  # the drawing inside a link, without the link
            cleaned.extend(_clean(part) for part in child if part.tag.removeprefix(f"{{{SVG}}}") in ELEMENTS)
        elif tag in ELEMENTS and not (tag == "path" and child.get("d", "") in ("", "M0,0h0v0h0Z")):
            cleaned.append(_clean(child))
    return cleaned


def _text_ends(element: ElementTree.Element, x: float) -> Iterator[float]:
    """Where the lying texts may begin and end, in the drawing's points: wide enough for any reader's font."""
    move = element.get("transform", "")
    match = TRANSLATE.match(move)
    x += float(match.group(1)) if match else 0.0
    if element.tag == "text" and "rotate" not in move:
        size = float(element.get("font-size", "12px").removesuffix("px"))
        width = WIDEST * size * len(element.text or "")
        start = x - {"middle": width / 2, "end": width}.get(element.get("text-anchor", "start"), 0.0)
        yield from (start - 1, start + width + 1)
    for child in element:
        yield from _text_ends(child, x)
