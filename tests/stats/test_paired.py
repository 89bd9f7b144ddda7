"""Statistics by hand, against published tables, and against scipy and statsmodels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from olivepress.stats.paired import (
    bootstrap_means,
    compare_shares,
    detectable_mean,
    detectable_share,
    holm,
    mcnemar_exact,
)


def test_mcnemar_by_hand() -> None:
    assert mcnemar_exact(0, 0) == 1.0
    assert mcnemar_exact(5, 5) == 1.0
    assert mcnemar_exact(0, 1) == 1.0
    assert mcnemar_exact(0, 6) == 2 / 64
    # n = 10, 1 against 9: 2 (1 + 10) / 1024
    assert mcnemar_exact(1, 9) == mcnemar_exact(9, 1) == 22 / 1024
    assert 0 < mcnemar_exact(3000, 4000) < 1e-30  # thousands of pairs: no overflow, no rounding to 0
    with pytest.raises(ValueError):
        mcnemar_exact(-1, 0)


PAIRS = [(b, c) for b in range(12) for c in range(12) if b + c]


def test_mcnemar_is_that_of_scipy() -> None:
    from scipy.stats import binomtest

    for b, c in PAIRS:
        assert mcnemar_exact(b, c) == pytest.approx(binomtest(b, b + c, 0.5).pvalue)


@pytest.mark.slow  # the comparisons with statsmodels take half a minute
def test_mcnemar_is_that_of_statsmodels() -> None:
    from statsmodels.stats.contingency_tables import mcnemar

    for b, c in PAIRS:
        assert mcnemar_exact(b, c) == pytest.approx(mcnemar([[3, b], [c, 4]], exact=True).pvalue)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_holm_is_its_definition(p_values: list[float]) -> None:
    """S. Holm, Scand. J. Statist. 6 (1979): the j-th smallest of m times m - j + 1, none below an earlier one."""
    m, ordered = len(p_values), sorted(p_values)
    for value, adjusted in zip(p_values, holm(p_values), strict=True):
        assert adjusted == pytest.approx(min(1.0, max((m - j) * p for j, p in enumerate(ordered) if p <= value)))


@pytest.mark.slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_holm_is_that_of_statsmodels(p_values: list[float]) -> None:
    from statsmodels.stats.multitest import multipletests

    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1].tolist())


def test_holm_by_hand() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []


def test_shares_by_hand() -> None:
    a = np.array([True] * 12 + [False] * 8)
    b = np.array([True] * 10 + [False] * 2 + [True] * 5 + [False] * 3)
    found = compare_shares(a, b)
    assert (found.n, found.only_a, found.only_b) == (20, 2, 5)
    assert (found.share_a, found.share_b, found.difference) == (0.6, 0.75, pytest.approx(0.15))
    assert found.p_value == mcnemar_exact(2, 5)
    assert found.ci_low < 0.15 < found.ci_high
    for bad in (np.array([]), np.array([True])):
        with pytest.raises(ValueError):
            compare_shares(bad, np.array([True, False]))


def test_the_bootstrap_is_that_of_scipy() -> None:
    from scipy.stats import bootstrap

    rng = np.random.default_rng(5)
    differences = rng.normal(0.1, 1.0, (300, 1))
    ((low, high, p),) = bootstrap_means(differences)
    theirs = bootstrap(
        (differences[:, 0],), np.mean, n_resamples=10_000, method="percentile", rng=np.random.default_rng(1)
    ).confidence_interval
    assert (low, high) == pytest.approx((theirs.low, theirs.high), abs=0.006)
    z = abs(differences.mean()) / (differences.std(ddof=1) / math.sqrt(300))
    assert p == pytest.approx(math.erfc(z / math.sqrt(2)), abs=0.02)


def test_the_bootstrap_does_not_depend_on_its_neighbours() -> None:
    differences = np.random.default_rng(0).normal(0, 1, (50, 3))
    together = bootstrap_means(differences, resamples=500)
    alone = [bootstrap_means(differences[:, [i]], resamples=500)[0] for i in range(3)]
    for a, b in zip(together, alone, strict=True):
        assert a == pytest.approx(b)
    assert bootstrap_means(np.zeros((4, 1)))[0] == (0.0, 0.0, 1.0)
    assert bootstrap_means(np.ones((4, 1)))[0] == (1.0, 1.0, 2 / 10_001)
    with pytest.raises(ValueError):
        bootstrap_means(np.empty((0, 1)))


def test_what_can_be_detected_is_detected_four_times_in_five() -> None:
    """Planted: the share that the formula names, found by the exact test in about 80 % of simulated studies."""
    n, discordant = 600, 60
    delta = detectable_share(discordant, n)
    share = discordant / n
    rng = np.random.default_rng(3)
    draws = rng.multinomial(n, [(share + delta) / 2, (share - delta) / 2, 1 - share], 2000)
    found = np.mean([mcnemar_exact(int(b), int(c)) < 0.05 for b, c, _ in draws])
    assert 0.72 < found < 0.85  # the exact test is a little conservative
    assert detectable_share(0, 600) > 0 and detectable_share(0, 60) > detectable_share(0, 600)
    assert detectable_mean(np.array([1.0])) == math.inf
    assert detectable_mean(np.array([0.0, 2.0] * 50)) == pytest.approx(
        2.8016 * np.std([0.0, 2.0] * 50, ddof=1) / 10, rel=1e-3
    )
