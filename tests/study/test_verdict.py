"""The verdict on the winner: better, worse, or not distinguishable from the default."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from olivepress.study.verdict import best_mean, compare_scores


def scores(share: float, seed: int, rows: int = 200) -> dict[str, float]:
    drawn = np.random.default_rng(seed).random(rows)
    return {f"row-{number}": float(drawn[number] < share) for number in range(rows)}


def test_a_clear_difference_is_better_and_the_other_way_round_worse() -> None:
    low, high = [scores(0.4, seed) for seed in (1, 2, 3)], [scores(0.7, seed) for seed in (11, 12, 13)]
    verdict = compare_scores("exact_match", low, high)
    assert verdict.call == "better" and verdict.rows == 200 and verdict.seeds == 3
    assert compare_scores("exact_match", high, low).call == "worse"
    # Independently: the paired t-test over rows.
    before, after = (np.mean([list(each.values()) for each in group], axis=0) for group in (low, high))
    reference = stats.ttest_rel(after, before)
    interval = reference.confidence_interval()
    assert verdict.difference == pytest.approx(float((after - before).mean()))
    assert verdict.ci_low == pytest.approx(interval.low, abs=0.01)
    assert verdict.ci_high == pytest.approx(interval.high, abs=0.01)
    assert verdict.p_value < 0.001 and reference.pvalue < 0.001


def test_noise_is_not_distinguishable() -> None:
    calls = [
        compare_scores(
            "exact_match",
            [scores(0.5, 100 * trial + seed) for seed in range(3)],
            [scores(0.5, 100 * trial + 50 + seed) for seed in range(3)],
        ).call
        for trial in range(40)
    ]
    assert calls.count("not distinguishable") >= 36


def test_one_lucky_seed_is_no_difference() -> None:
    same = {f"row-{number}": 0.0 for number in range(100)}
    lucky = dict.fromkeys(same, 1.0)
    unlucky = same | {f"row-{number}": 1.0 for number in range(0)}
    verdict = compare_scores("exact_match", [same, same, same], [lucky, lucky, unlucky])
    assert verdict.ci_low > 0 and verdict.p_value < 0.05 and verdict.call == "not distinguishable"


def test_only_common_rows_count() -> None:
    verdict = compare_scores("exact_match", [{"a": 1.0, "b": 0.0}], [{"b": 1.0, "c": 1.0}])
    assert verdict.rows == 1 and verdict.difference == 1.0
    with pytest.raises(ValueError, match="the same rows"):
        compare_scores("exact_match", [{"a": 1.0}], [{"b": 1.0}])


def test_the_best_mean_needs_every_seed() -> None:
    values = {"default": [0.5, 0.5], "x": [0.1], "y": [0.6, 0.2]}
    assert best_mean(values, seeds=2, higher=False) == "y"
    assert best_mean(values, seeds=2, higher=True) == "default"
    assert best_mean({"x": [0.1]}, seeds=2, higher=True) is None


@pytest.mark.parametrize(("rows", "call"), [(29, "not distinguishable"), (30, "better")])
def test_a_few_rows_that_agree_show_nothing(rows: int, call: str) -> None:
    before = {f"row-{number}": 0.0 for number in range(rows)}
    after = dict.fromkeys(before, 1.0)
    verdict = compare_scores("exact_match", [before, before], [after, after])
    assert verdict.p_value < 0.001 and verdict.call == call
