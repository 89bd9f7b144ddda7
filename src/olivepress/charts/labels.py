"""Places for the labels of points, such that no two lie on each other: beside their points, else in a column."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["LINE", "Box", "PlacedLabel", "Point", "place_labels", "width_of"]

LINE = 15.0  # pixels from one line of text to the next
LETTER = 7.4  # pixels of one letter of 12 pixels in a wide font
GAP = 5.0  # pixels between a point and its label
Align = Literal["left", "right", "center"]
Box = tuple[float, float, float, float]  # left, bottom, right and top in pixels


@dataclass(frozen=True, kw_only=True)
class Point:
    """A point of the drawing in pixels, from its lower left corner, with the radius of its mark."""

    x: float
    y: float
    radius: float
    text: str


@dataclass(frozen=True, kw_only=True)
class PlacedLabel:
    """Where a label stands: ``x`` is its left end, right end or middle as ``align`` says, ``y`` its middle.

    ``is_apart``: it stands in the column, and a line leads from its point to it.
    """

    x: float
    y: float
    align: Align
    is_apart: bool = False

    def box(self, text: str) -> Box:
        """The text's."""
        width = width_of(text)
        left = self.x - {"left": 0.0, "right": width, "center": width / 2}[self.align]
        return left, self.y - LINE / 2, left + width, self.y + LINE / 2


def width_of(text: str) -> float:
    """The width of a text in pixels, rather too large than too small."""
    return LETTER * len(text)


def place_labels(
    points: Sequence[Point], width: float, height: float, column: float, lines: Sequence[Box] = ()
) -> list[PlacedLabel]:
    """A place for each point's label, in their order; earlier points choose first.

    ``width`` and ``height`` are those of the drawing; ``column`` is where a column of labels would begin; ``lines`` are
    drawn ones, which a label avoids where it can. Labels are beside their points where all of them fit, else all in
    the column: ``height`` must hold ``LINE`` for each of them.
    """
    placed: list[PlacedLabel] = []
    boxes: list[Box] = []
    marks = [(p.x - p.radius, p.y - p.radius, p.x + p.radius, p.y + p.radius) for p in points]
    for number, point in enumerate(points):
        others = [*boxes, *(mark for other, mark in enumerate(marks) if other != number)]
        free = [place for place in _beside(point) if _is_free(place.box(point.text), others, width, height)]
        if not free:
            return _in_column(points, height, column)
        clear = (place for place in free if _is_free(place.box(point.text), lines, width, height))
        placed.append(next(clear, free[0]))
        boxes.append(placed[-1].box(point.text))
    return placed


def _beside(point: Point) -> Iterator[PlacedLabel]:
    """Right and left above the whisker, then above and below the point."""
    away = point.radius + GAP
    up = LINE * 0.6  # a whisker runs through the middle of its point
    yield PlacedLabel(x=point.x + away, y=point.y + up, align="left")
    yield PlacedLabel(x=point.x - away, y=point.y + up, align="right")
    yield PlacedLabel(x=point.x + away, y=point.y - up, align="left")
    yield PlacedLabel(x=point.x - away, y=point.y - up, align="right")
    for lines in (0.5, 1.5):
        yield PlacedLabel(x=point.x, y=point.y + away + LINE * lines, align="center")
        yield PlacedLabel(x=point.x, y=point.y - away - LINE * lines, align="center")


def _is_free(box: Box, others: Sequence[Box], w: float, h: float) -> bool:
    left, bottom, right, top = box
    if left < 0 or right > w or bottom < 0 or top > h:
        return False
    return not any(left < o[2] and o[0] < right and bottom < o[3] and o[1] < top for o in others)


def _in_column(points: Sequence[Point], height: float, column: float) -> list[PlacedLabel]:
    """One below the other in the order of the points' heights, each as near to its own as the others allow."""
    order = sorted(range(len(points)), key=lambda number: (points[number].y, number))
    heights: list[float] = []
    for rank, number in enumerate(order):
        lowest = heights[-1] + LINE if heights else LINE / 2
        highest = height - LINE / 2 - (len(order) - 1 - rank) * LINE  # the rest must still fit above
        heights.append(max(lowest, min(points[number].y, highest)))
    by_number = dict(zip(order, heights, strict=True))
    return [PlacedLabel(x=column, y=by_number[number], align="left", is_apart=True) for number in range(len(points))]
