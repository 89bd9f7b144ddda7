from __future__ import annotations

import pytest

from olivepress.compare.stats import compare_outcomes, mcnemar_exact, paired_bootstrap


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


def test_mcnemar_agrees_with_scipy() -> None:
    stats = pytest.importorskip("scipy.stats")
    for b in range(12):
        for c in range(12):
            if b + c:
                assert mcnemar_exact(b, c) == pytest.approx(stats.binomtest(b, b + c, 0.5).pvalue)


def test_pairing_is_what_makes_it_narrow() -> None:
    a = [float(i % 2) for i in range(200)]
    b = [*a[:-10], *(1.0 for _ in range(10))]  # five of the last ten turn right, nothing else changes
    low, high = paired_bootstrap(a, b)
    assert 0.0 <= low < 0.025 < high < 0.06  # unpaired, the interval would be about ±0.1
    assert paired_bootstrap(a, b) == (low, high)
    assert paired_bootstrap(a, a) == (0.0, 0.0)
    with pytest.raises(ValueError):
        paired_bootstrap([1.0], [1.0, 0.0])


def test_outcomes_are_paired_by_id_not_by_place() -> None:
    a = {"x": True, "y": False, "z": True, "only-a": True}
    b = {"z": False, "y": True, "x": True, "only-b": False}
    found = compare_outcomes("a", a, "b", b)
    assert found is not None
    assert (found.n, found.only_a, found.only_b) == (3, 1, 1)
    assert found.difference == 0.0 and found.p_value == 1.0
    assert compare_outcomes("a", {"x": True}, "b", {"y": True}) is None
