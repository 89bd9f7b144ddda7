"""Intervals of quantiles from ranks: against scipy's binomial distribution, and how often they hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

from olivepress.stats.order_statistics import fewest_values, quantile_interval

CASES = [
    (n, share, confidence) for n in (8, 40, 500, 10_000) for share in (0.1, 0.5, 0.9) for confidence in (0.95, 0.99)
]


@pytest.mark.parametrize(("n", "share", "confidence"), CASES)
def test_ranks_are_those_of_scipys_binomial(n: int, share: float, confidence: float) -> None:
    """The largest lower and the smallest upper rank whose tails are at most (1 - confidence) / 2."""
    from scipy.stats import binom

    tail = (1 - confidence) / 2
    lower = [rank for rank in range(n) if binom.cdf(rank, n, share) <= tail]
    upper = [rank for rank in range(n) if binom.sf(rank, n, share) <= tail]
    interval = quantile_interval(np.arange(n, dtype=float), share, confidence)
    if not lower or not upper:
        assert interval is None
    else:
        assert interval == (float(max(lower)), float(min(upper)))


def test_how_few_are_too_few() -> None:
    """1 - 2 (1/2)^n >= 95 % from 6 values on, 99 % from 8; 0.9^n <= 2.5 % from 36 on."""
    assert [fewest_values(0.5, 0.95), fewest_values(0.5, 0.99), fewest_values(0.1, 0.95)] == [6, 8, 36]
    assert quantile_interval(np.arange(5.0), 0.5, 0.95) is None
    assert quantile_interval(np.arange(6.0), 0.5, 0.95) == (0.0, 5.0)
    assert quantile_interval(np.empty(0), 0.5, 0.95) is None


def test_it_holds_the_true_median_as_often_as_it_says() -> None:
    """Of a skewed distribution, 4,000 times: at least 95 %, and not all."""
    rng = np.random.default_rng(7)
    intervals = [quantile_interval(np.sort(rng.exponential(size=25)), 0.5, 0.95) for _ in range(4000)]
    holds = np.mean([low <= np.log(2) <= high for low, high in filter(None, intervals)])
    assert 0.945 <= holds < 0.99


def test_a_quantile_outside_of_0_to_1() -> None:
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile_interval(np.arange(9.0), 1.0, 0.95)
