from __future__ import annotations

import itertools
import random

import pytest

from olivepress.charts.labels import LINE, Point, place_labels

WIDTH, HEIGHT, COLUMN = 460.0, 250.0, 474.0


def _overlap(points: list[Point]) -> list[tuple[int, int]]:
    placed = place_labels(points, WIDTH, max(HEIGHT, LINE * len(points)), COLUMN)
    boxes = [place.box(point.text) for place, point in zip(placed, points, strict=True)]
    numbered = itertools.combinations(enumerate(boxes), 2)
    return [
        (i, j)
        for (i, a), (j, b) in numbered
        if a[0] < b[2] - 1e-6 and b[0] < a[2] - 1e-6 and a[1] < b[3] - 1e-6 and b[1] < a[3] - 1e-6
    ]


@pytest.mark.parametrize("count", [1, 2, 5, 12, 40])
def test_labels_never_overlap(count: int) -> None:
    """Wherever the points are: anywhere, all in one place, along the lower edge."""
    draw = random.Random(count)
    for _ in range(100):
        anywhere = [(draw.uniform(0, WIDTH), draw.uniform(0, HEIGHT)) for _ in range(count)]
        one_place = [(200 + draw.uniform(-3, 3), 100 + draw.uniform(-3, 3)) for _ in range(count)]
        at_the_edge = [(draw.uniform(0, WIDTH), 0.0) for _ in range(count)]
        for places in (anywhere, one_place, at_the_edge):
            names = [f"artifact-{number}-{'x' * draw.randrange(18)}" for number in range(count)]
            points = [Point(x=x, y=y, radius=8, text=name) for (x, y), name in zip(places, names, strict=True)]
            assert _overlap(points) == []


def test_few_points_have_their_labels_beside_them() -> None:
    points = [Point(x=100, y=100, radius=8, text="one"), Point(x=300, y=150, radius=4, text="two")]
    placed = place_labels(points, WIDTH, HEIGHT, COLUMN)
    assert [(place.align, place.is_apart) for place in placed] == [("left", False)] * 2
    assert all(abs(place.y - point.y) <= LINE for place, point in zip(placed, points, strict=True))


def test_a_column_keeps_the_order_of_the_points() -> None:
    points = [Point(x=200, y=100 + number, radius=8, text=f"artifact-{number}") for number in range(12)]
    placed = place_labels(points, WIDTH, HEIGHT, COLUMN)
    assert all(place.is_apart and place.x == COLUMN for place in placed)
    heights = [place.y for place in placed]
    assert heights == sorted(heights) and heights[0] > 0 and heights[-1] < HEIGHT


def test_a_label_avoids_a_line_where_it_can() -> None:
    """As in the demo: the front leaves the first point a little above its middle, where its label would stand."""
    points = [Point(x=330, y=108, radius=8, text="cpu-int4"), Point(x=60, y=100, radius=16, text="cpu-fp32")]
    step, across = (59.0, 100.0, 61.0, 108.0), (60.0, 107.0, 330.0, 109.0)
    lined = place_labels(points, WIDTH, HEIGHT, COLUMN, [step, across])
    for place, point in zip(lined, points, strict=True):
        left, bottom, right, top = place.box(point.text)
        assert not (left < across[2] and across[0] < right and bottom < across[3] and across[1] < top)
    assert place_labels(points, WIDTH, HEIGHT, COLUMN)[1] != lined[1]
    everywhere = [(0.0, 0.0, WIDTH, HEIGHT)]
    assert place_labels(points, WIDTH, HEIGHT, COLUMN, everywhere) == place_labels(points, WIDTH, HEIGHT, COLUMN)
