"""Paired comparison of two artifacts on the same examples. Unpaired tests on paired data throw the pairing away."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from olivepress.measure.intervals import paired_difference

__all__ = ["Comparison", "compare_outcomes", "mcnemar_exact", "paired_bootstrap"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """``b`` against ``a`` on ``n`` common examples; ``difference`` = rate of b - rate of a, with its 95 %
    interval (Newcombe).

    ``only_a``/``only_b`` count the examples that only one of them has right; ``p_value`` is McNemar's exact one.
    """

    a: str
    b: str
    n: int
    rate_a: float
    rate_b: float
    difference: float
    ci_low: float
    ci_high: float
    only_a: int
    only_b: int
    p_value: float


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided exact McNemar test (Q. McNemar, Psychometrika 12 (1947); exact binomial form).

    Under no difference each discordant pair is a fair coin: p = min(1, 2·Σ_{i≤min} C(n, i) / 2ⁿ), n = only_a + only_b.
    Exact integers throughout. 1.0 when there are no discordant pairs; ValueError for negative counts.
    """
    if only_a < 0 or only_b < 0:
        raise ValueError("counts of discordant pairs cannot be negative")
    n = only_a + only_b
    tail = sum(math.comb(n, i) for i in range(min(only_a, only_b) + 1))
    return float(min(Fraction(1), Fraction(2 * tail, 2**n)))


def paired_bootstrap(
    a: Sequence[float], b: Sequence[float], *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """95 % percentile interval of mean(b) - mean(a) that resamples whole pairs; same input and seed, same interval.

    ValueError when the lengths differ or there is no pair.
    """
    if len(a) != len(b) or not a:
        raise ValueError(f"pairs need two equally long, non-empty sequences, got {len(a)} and {len(b)}")
    differences = np.asarray(b, dtype=np.float64) - np.asarray(a, dtype=np.float64)
    rng = np.random.default_rng(seed)
    size = len(differences)
    # One resample at a time: the matrix of all would be gigabytes for a large test split.
    means = [float(differences[rng.integers(0, size, size)].mean()) for _ in range(resamples)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def compare_outcomes(
    name_a: str, outcomes_a: Mapping[str, bool], name_b: str, outcomes_b: Mapping[str, bool]
) -> Comparison | None:
    """Pair two artifacts' outcomes (id → correct) by example id; None when they share no example."""
    common = sorted(outcomes_a.keys() & outcomes_b.keys())
    if not common:
        return None
    a, b = [outcomes_a[i] for i in common], [outcomes_b[i] for i in common]
    only_a = sum(x and not y for x, y in zip(a, b, strict=True))
    only_b = sum(y and not x for x, y in zip(a, b, strict=True))
    both = sum(x and y for x, y in zip(a, b, strict=True))
    low, high = paired_difference(both, only_a, only_b, len(a) - both - only_a - only_b)
    return Comparison(
        a=name_a,
        b=name_b,
        n=len(common),
        rate_a=sum(a) / len(a),
        rate_b=sum(b) / len(b),
        difference=(sum(b) - sum(a)) / len(a),
        ci_low=low,
        ci_high=high,
        only_a=only_a,
        only_b=only_b,
        p_value=mcnemar_exact(only_a, only_b),
    )
