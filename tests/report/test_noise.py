"""Noise floor, drift and the comparison by rounds, against hand calculations and by simulation (named as such)."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from olivepress.report.attribution import gain_retained
from olivepress.report.device_report import LatencySample
from olivepress.report.noise import compare_rounds, decode_by_round, drift, noise_floor, signed_rank_cut
from olivepress.stats.intervals import paired_difference


def test_one_number_per_round() -> None:
    samples = [
        LatencySample(workload=w, round=r, repetition=i, ttft_ms=1, request_ttft_ms=2, step_ms=(ms, ms))
        for w, r, i, ms in (("a", 1, 0, 10.0), ("a", 1, 1, 20.0), ("a", 1, 2, 40.0), ("a", 0, 0, 5.0), ("b", 0, 0, 1.0))
    ]
    assert decode_by_round(samples, "a") == {0: pytest.approx(200.0), 1: pytest.approx(50.0)}


def test_noise_floor_by_hand() -> None:
    # Six rounds, five equal and one of 130: a half that holds it has the same median, so no split differs.
    assert noise_floor([100.0, 100.0, 100.0, 100.0, 100.0, 130.0]).value == 0.0
    # Three of 100 and three of 110: of the 20 splits, the two extreme ones give 10 % and 1 - 100/110 = 9.09 %; in the
    # 18 others one half has the median 100 and the other 110, the same two numbers. Quantile 0.95 of ten of each.
    found = sorted([0.1] * 10 + [1 - 100 / 110] * 10)
    assert noise_floor([100.0] * 3 + [110.0] * 3).value == pytest.approx(float(np.quantile(found, 0.95)))
    assert noise_floor([1.0] * 5).reason == "5 rounds; it takes 6 to split them in halves"


def test_drift_by_hand() -> None:
    change, is_trend = drift([100.0, 99.0, 98.0, 97.0, 96.0, 95.0, 94.0, 93.0])
    assert change.value == pytest.approx(7 / 96.5) and is_trend  # slope -1 over 7 steps, median 96.5
    change, is_trend = drift([100.0, 93.0, 99.0, 95.0, 97.0, 94.0, 98.0, 96.0])
    assert not is_trend and change.value is not None


def test_signed_rank_table() -> None:
    # Two-sided 1 % of Wilcoxon's table: n = 8: 0, 10: 3, 12: 7, 20: 37; below 8 there is none.
    assert [signed_rank_cut(n, 0.99) for n in (7, 8, 10, 12, 20)] == [-1, 0, 3, 7, 37]


def test_a_comparison_by_hand() -> None:
    a = dict.fromkeys(range(10), 100.0)
    b = {r: 100.0 * math.exp(-0.05) for r in range(10)}
    found = compare_rounds(a, b, floor=0.02)
    assert found.ratio == pytest.approx(math.expm1(-0.05)) and found.verdict == "slower" and found.rounds == 10
    assert compare_rounds(b, a, floor=0.02).verdict == "faster"
    assert compare_rounds(a, b, floor=0.06).verdict == "cannot tell"  # less than the noise floor
    with pytest.raises(ValueError, match="7 paired rounds"):
        compare_rounds(dict(list(a.items())[:7]), b, floor=0.0)


def test_the_interval_is_wilcoxons() -> None:
    """An effect lies outside the interval exactly when scipy's exact signed-rank test rejects it at 1 %."""
    rng = np.random.default_rng(5)
    for _ in range(50):
        logs = rng.normal(0.01, 0.02, 12)
        found = compare_rounds(dict.fromkeys(range(12), 1.0), dict(enumerate(np.exp(logs))), floor=0.0)
        p = stats.wilcoxon(logs, method="exact").pvalue
        assert (found.verdict != "cannot tell") == (p <= 0.01)


def test_by_simulation_on_normal_noise() -> None:
    """A simulation, not a measurement: 2 % noise per process, 10 rounds; benchmarks/ holds the real re-runs."""
    rng = np.random.default_rng(7)

    def verdict(slowdown: float) -> str:
        a, b = (dict(enumerate(100.0 * np.exp(rng.normal(0, 0.02, 10)))) for _ in range(2))
        b = {r: rate / (1 + slowdown) for r, rate in b.items()}
        floor = max(noise_floor(list(x.values())).value or 0.0 for x in (a, b))
        return compare_rounds(a, b, floor=floor).verdict

    false = sum(verdict(0.0) != "cannot tell" for _ in range(200))
    found = sum(verdict(0.10) == "slower" for _ in range(200))
    assert false <= 10 and found >= 190


def test_gain_retained_by_hand() -> None:
    ids = [f"e{i}" for i in range(10)]
    base = {i: n < 2 for n, i in enumerate(ids)}  # 20 %
    tuned = {i: n < 10 for n, i in enumerate(ids)}  # 100 %
    own = {i: n < 8 for n, i in enumerate(ids)}  # 80 %
    found = gain_retained(base, tuned, own, resamples=500)
    assert found.value == pytest.approx(0.6 / 0.8) and found.n == 10
    assert found.ci_low is not None and found.ci_low < 0.75 < (found.ci_high or 0)
    assert gain_retained(base, base, own).reason == "fine-tuning gained 0.0 points: no gain to retain"
    assert "not measured beside it" in str(gain_retained(None, tuned, own).reason)


def test_gain_retained_is_not_certain_where_nothing_differs() -> None:
    """Resampling 40 equal pairs knows no spread; 40 examples are still only 40."""
    ids = [f"e{i}" for i in range(40)]
    base, tuned = dict.fromkeys(ids, False), {i: n < 38 for n, i in enumerate(ids)}
    found = gain_retained(base, tuned, tuned)
    low, high = paired_difference(38, 0, 0, 2)
    assert found.value == 1.0 and found.ci_low is not None and found.ci_high is not None
    assert found.ci_low == pytest.approx(1 + low / 0.95) and found.ci_high == pytest.approx(1 + high / 0.95)
    assert found.ci_low < 0.93 and found.ci_high > 1.07
