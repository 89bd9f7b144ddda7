"""Noisy curves of thousands of points: their moving average, and few enough points to draw."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["Point", "average", "smooth", "span_of"]

Point = tuple[float, float]  # step and value
_PARTS = 20


def span_of(count: int) -> int:
    """The span of the average that shows how a curve of so many points goes: a twentieth of it."""
    return count // _PARTS


def smooth(points: Sequence[Point], span: int) -> list[Point]:
    """Exponential moving average of the values; ``span`` is that of pandas' ``ewm``, with ``adjust=True``.

    Weights are (1 - 2 / (span + 1))^age, divided by their sum: the first value is not overweighted.
    """
    keep = 1 - 2 / (span + 1)
    total, weights = 0.0, 0.0
    smoothed = []
    for step, value in points:
        total, weights = total * keep + value, weights * keep + 1
        smoothed.append((step, total / weights))
    return smoothed


def average(points: Sequence[Point], most: int) -> list[Point]:
    """At most ``most`` points, each the mean of as many neighbours; the last may be of fewer."""
    size = -(-len(points) // most)
    groups = [points[begin : begin + size] for begin in range(0, len(points), size or 1)]
    return [(sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups]
