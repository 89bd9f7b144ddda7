from __future__ import annotations

import pytest

from olivepress.charts.smoothing import average, smooth, span_of

POINTS = [(step, float(step % 7)) for step in range(1, 61)]


def test_the_average_is_that_of_pandas() -> None:
    pandas = pytest.importorskip("pandas")
    expected = pandas.Series([value for _, value in POINTS]).ewm(span=5).mean().tolist()
    smoothed = smooth(POINTS, 5)
    assert [value for _, value in smoothed] == pytest.approx(expected)
    assert [step for step, _ in smoothed] == [step for step, _ in POINTS]


def test_a_span_of_one_changes_nothing() -> None:
    assert smooth(POINTS, 1) == POINTS
    assert [span_of(count) for count in (10, 39, 40, 300)] == [0, 1, 2, 15]


def test_few_points_stay_and_many_become_means_of_neighbours() -> None:
    assert average(POINTS, 60) == POINTS and average([], 10) == []
    assert average([(1, 1.0), (2, 3.0), (3, 5.0)], 2) == [(1.5, 2.0), (3.0, 5.0)]
