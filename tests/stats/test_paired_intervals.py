"""The intervals that non-inferiority is shown with: against a search of the likelihood, and by hand."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from olivepress.stats.intervals import (
    Z95,
    examples_to_decide,
    paired_mean_interval,
    paired_score_interval,
    restricted_variance,
    wilson,
)


def searched(only_a: int, only_b: int, n: int) -> tuple[float, float]:
    """Both ends by the score test itself: the likelihood under each difference maximised by a search, not a formula."""
    from scipy.optimize import brentq, minimize_scalar

    def statistic(difference: float) -> float:
        def loss(share_a: float) -> float:
            rest = 1 - 2 * share_a - difference
            return -(
                only_a * math.log(share_a)
                + only_b * math.log(share_a + difference)
                + (n - only_a - only_b) * math.log(rest)
            )

        bounds = (max(0.0, -difference) + 1e-12, (1 - difference) / 2 - 1e-12)
        share_a = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-13}).x
        variance = (2 * share_a + difference - difference**2) / n
        return float(((only_b - only_a) / n - difference) / math.sqrt(variance))

    middle = (only_b - only_a) / n
    low = brentq(lambda d: statistic(d) - Z95, -0.999, middle - 1e-9)
    high = brentq(lambda d: statistic(d) + Z95, middle + 1e-9, 0.999)
    return float(low), float(high)


@pytest.mark.parametrize(
    ("only_a", "only_b", "n"), [(1, 2, 44), (9, 3, 44), (5, 1, 20), (12, 20, 200), (36, 2, 200), (5, 5, 500)]
)
def test_the_score_interval_is_that_of_the_score_test(only_a: int, only_b: int, n: int) -> None:
    assert paired_score_interval(only_a, only_b, n) == pytest.approx(searched(only_a, only_b, n), abs=1e-6)
    mirrored = paired_score_interval(only_b, only_a, n)
    assert mirrored == pytest.approx(tuple(-end for end in reversed(paired_score_interval(only_a, only_b, n))))


def test_the_score_interval_at_its_ends() -> None:
    for n in (30, 100, 189, 1000):
        half = Z95**2 / (n + Z95**2)
        assert paired_score_interval(0, 0, n) == pytest.approx((-half, half))
    low, high = paired_score_interval(0, 5, 5)
    assert 0 < low < high == 1.0
    wider = paired_score_interval(12, 20, 200, z=3.29)
    assert wider[0] < paired_score_interval(12, 20, 200)[0] < paired_score_interval(12, 20, 200)[1] < wider[1]
    assert restricted_variance(0.0, 0.0, -0.02) == pytest.approx(0.02 * 0.98)
    for wrong in ((0, 0, 0), (3, 3, 5), (-1, 0, 5)):
        with pytest.raises(ValueError, match="discordant pairs"):
            paired_score_interval(*wrong)


def test_the_interval_of_a_mean_difference_by_hand() -> None:
    """Right or wrong as scores: the adjusted interval of Bonett and Price, (c - b)/(n + 2) and (b + 1) + (c + 1)."""
    differences = np.array([1.0] * 4 + [-1.0] * 9 + [0.0] * 87)
    mean, pairs = -5 / 102, (10 + 5) / 102
    half = Z95 * math.sqrt((pairs - mean**2) / 102)
    assert paired_mean_interval(differences) == pytest.approx((mean - half, mean + half))
    low, high = paired_mean_interval(np.zeros(100))
    assert low == -high and low < -0.02  # nothing differs, and 100 rows do not show that nothing is lost
    with pytest.raises(ValueError, match="at least one"):
        paired_mean_interval(np.zeros(0))


@pytest.mark.parametrize(("hits", "n", "limit"), [(90, 100, 0.85), (90, 100, 0.93), (450, 600, 0.73), (50, 100, 0.45)])
def test_the_examples_to_decide_are_about_those_of_a_search(hits: int, n: int, limit: float) -> None:
    def is_inside(count: int) -> bool:
        low, high = wilson(round(hits / n * count), count)
        return low < limit < high

    assert is_inside(n)
    searched = next(count for count in itertools.count(n, n // 100) if not is_inside(count))
    found = examples_to_decide(n, hits / n, *wilson(hits, n), limit)
    assert found == pytest.approx(searched, rel=0.3)


def test_no_number_of_examples_decides_where_the_value_is_the_limit() -> None:
    assert examples_to_decide(100, 0.9, 0.8, 0.95, 0.9) is None
    assert examples_to_decide(100, 0.9, 0.9, 0.9, 0.8) is None
    assert examples_to_decide(0, 0.9, 0.8, 0.95, 0.85) is None
