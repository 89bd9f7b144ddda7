"""Paired comparisons on the same examples, and corrections for several comparisons.

Unpaired tests on paired data ignore the pairing; of twenty tests at 5 %, one finds a difference by chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from olivepress.stats.intervals import paired_difference, resampled_sums, wilson

__all__ = [
    "ALPHA",
    "PairedShares",
    "bootstrap_means",
    "compare_shares",
    "detectable_mean",
    "detectable_share",
    "holm",
    "mcnemar_exact",
]

ALPHA = 0.05
RESAMPLES = 10_000
Z_ALPHA, Z_POWER = 1.959963984540054, 0.8416212335729143  # quantiles of the normal: 97.5 %, and 80 % for the power


@dataclass(frozen=True, kw_only=True)
class PairedShares:
    """Comparison of ``b`` with ``a`` on ``n`` common examples; ``difference`` = share correct of b - that of a.

    ``only_a``/``only_b`` count the examples that only one of them answers correctly; ``p_value`` is McNemar's exact
    one, the 95 % interval Newcombe's. ``detectable``: see ``detectable_share``.
    """

    n: int
    share_a: float
    share_b: float
    difference: float
    ci_low: float
    ci_high: float
    only_a: int
    only_b: int
    p_value: float
    detectable: float


def compare_shares(a: np.ndarray, b: np.ndarray) -> PairedShares:
    """Compare correctness (bool) on the same examples in the same order. ValueError when lengths differ or are 0."""
    if len(a) != len(b) or not len(a):
        raise ValueError(f"pairs need two equally long, non-empty sequences, got {len(a)} and {len(b)}")
    a, b, n = np.asarray(a, dtype=bool), np.asarray(b, dtype=bool), len(a)
    both, only_a, only_b = int((a & b).sum()), int((a & ~b).sum()), int((b & ~a).sum())
    low, high = paired_difference(both, only_a, only_b, n - both - only_a - only_b)
    return PairedShares(
        n=n,
        share_a=(both + only_a) / n,
        share_b=(both + only_b) / n,
        difference=(only_b - only_a) / n,
        ci_low=low,
        ci_high=high,
        only_a=only_a,
        only_b=only_b,
        p_value=mcnemar_exact(only_a, only_b),
        detectable=detectable_share(only_a + only_b, n),
    )


def mcnemar_exact(only_a: int, only_b: int) -> float:
    """Two-sided exact McNemar test (Q. McNemar, Psychometrika 12 (1947); exact binomial form).

    Under no difference each discordant pair is a fair coin: p = min(1, 2·Σ_{i≤min} C(n, i) / 2ⁿ), n = only_a + only_b.
    Exact integers throughout. 1.0 when there are no discordant pairs; ValueError for negative counts.
    """
    if only_a < 0 or only_b < 0:
        raise ValueError("counts of discordant pairs cannot be negative")
    n, smaller = only_a + only_b, min(only_a, only_b)
    term = tail = 1  # C(n, 0), and the sum so far
    for i in range(1, smaller + 1):
        term = term * (n - i + 1) // i
        tail += term
    return float(min(Fraction(1), Fraction(2 * tail, 2**n)))


def bootstrap_means(
    differences: np.ndarray, *, resamples: int = RESAMPLES, seed: int = 0
) -> list[tuple[float, float, float]]:
    """(low, high, p) of each column's mean: 95 % percentile interval, two-sided p-value; whole rows are resampled.

    ``differences`` is [pairs, columns], one column per comparison of the same pairs; all columns see the same
    resamples, so that the cost of drawing is paid once. p = 2·min(P(mean* <= 0), P(mean* >= 0)), each with one added
    to count and total (A. C. Davison, D. V. Hinkley, Bootstrap Methods, 1997, 4.2), at most 1. Same input and seed,
    same result. ValueError without pairs.
    """
    n, columns = differences.shape
    if n == 0:
        raise ValueError("a bootstrap needs at least one pair")
    means = resampled_sums(differences, resamples=resamples, seed=seed) / n
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    below, above = (means <= 0).sum(axis=0), (means >= 0).sum(axis=0)
    p = np.minimum(1.0, 2 * (np.minimum(below, above) + 1) / (resamples + 1))
    return [(float(low[i]), float(high[i]), float(p[i])) for i in range(columns)]


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values, in their order, corrected so that the probability of any false difference at 5 % is at most 5 %.

    S. Holm, Scand. J. Statist. 6 (1979): sorted ascending, the i-th (from 0) of m times m - i, monotone, at most 1.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    corrected, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = largest
    return corrected


def detectable_share(discordant: int, n: int) -> float:
    """Smallest difference of two paired shares that McNemar's test at 5 % detects with a power of 80 %.

    Solves n·Δ² = (z₀.₉₇₅·√ψ + z₀.₈·√(ψ - Δ²))² for Δ (R. J. Connor, Biometrics 43 (1987)), ψ the share of discordant
    pairs; if there were none, the upper end of its Wilson interval.
    """
    share = discordant / n if discordant else wilson(0, n)[1]
    delta = (Z_ALPHA + Z_POWER) * math.sqrt(share / n)
    for _ in range(50):
        delta = (Z_ALPHA * math.sqrt(share) + Z_POWER * math.sqrt(max(share - delta * delta, 0.0))) / math.sqrt(n)
    return delta


def detectable_mean(differences: np.ndarray) -> float:
    """Smallest mean difference detected at 5 % with a power of 80 %: (z₀.₉₇₅ + z₀.₈)·s/√n, in the differences' unit."""
    if len(differences) < 2:
        return math.inf
    return float((Z_ALPHA + Z_POWER) * differences.std(ddof=1) / math.sqrt(len(differences)))
