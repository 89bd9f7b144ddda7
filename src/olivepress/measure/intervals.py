"""Confidence intervals, all 95 %: Wilson for shares, seeded percentile bootstrap for medians and clustered means."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["Z95", "bootstrap_median", "bootstrap_of_sums", "cluster_mean", "paired_difference"]
__all__ += ["resampled_sums", "wilson"]

Z95 = 1.959963984540054  # the 97.5 % quantile of the standard normal
BLOCK = 4_000_000  # multiplicities drawn at once: 32 MB


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson score interval of a share (E. B. Wilson, JASA 22 (1927) 209-212).

    centre = (p + z²/2n) / (1 + z²/n), half width = z·sqrt(p(1-p)/n + z²/4n²) / (1 + z²/n). ValueError for n < 1.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"wilson needs 0 <= successes <= n and n >= 1, got {successes} of {n}")
    p, z2 = successes / n, Z95 * Z95
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At the ends the formula is exact in theory and off by an ulp in floats: pin it, 0 <= low <= p <= high <= 1.
    low = 0.0 if successes == 0 else max(0.0, min(p, centre - half))
    return low, 1.0 if successes == n else min(1.0, max(p, centre + half))


def paired_difference(both: int, only_a: int, only_b: int, neither: int) -> tuple[float, float]:
    """95 % interval of rate b - rate a where both answered the same examples, counted by who was right.

    Newcombe's score interval for paired proportions, with the continuity-corrected correlation (R. G. Newcombe,
    Statist. Med. 17 (1998) 2635-2650, method 10). Unlike a bootstrap it does not shrink to nothing where no example, or
    every one, differs. ValueError without examples.
    """
    n = both + only_a + only_b + neither
    p_a, p_b = (both + only_a) / n if n else 0.0, (both + only_b) / n if n else 0.0
    (low_a, high_a), (low_b, high_b) = wilson(both + only_a, n), wilson(both + only_b, n)
    margins = (both + only_a) * (only_b + neither) * (both + only_b) * (only_a + neither)
    covariance = float(both * neither - only_a * only_b)
    if covariance > 0:
        covariance = max(covariance - n / 2, 0.0)
    phi = covariance / math.sqrt(margins) if margins else 0.0

    def half(da: float, db: float) -> float:
        return math.sqrt(max(da * da - 2 * phi * da * db + db * db, 0.0))

    difference = p_b - p_a
    return difference - half(high_a - p_a, p_b - low_b), difference + half(p_a - low_a, high_b - p_b)


def bootstrap_median(
    values: Sequence[float], groups: Sequence[int] | None = None, *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of the median (B. Efron, Ann. Statist. 7 (1979)); None below 3 values or groups.

    With ``groups`` (one per value, of equal sizes) whole groups are resampled: repetitions inside one process are not
    independent. Same values and seed, same interval. The unit is that of the values.
    """
    if groups is None:
        data = np.asarray(values, dtype=np.float64)[:, None]
    else:
        by_group = [[v for v, g in zip(values, groups, strict=True) if g == group] for group in sorted(set(groups))]
        size = min((len(group) for group in by_group), default=0)
        data = np.asarray([group[:size] for group in by_group], dtype=np.float64)
    if len(data) < 3:
        return None
    picks = np.random.default_rng(seed).integers(0, len(data), (resamples, len(data)))
    low, high = np.quantile(np.median(data[picks].reshape(resamples, -1), axis=1), [0.025, 0.975])
    return float(low), float(high)


def cluster_mean(
    sums: Sequence[float], counts: Sequence[int], *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float] | None:
    """Bootstrap interval of sum(sums)/sum(counts) that resamples whole clusters; None below 3 clusters.

    Tokens of one prompt are not independent, so the prompt is what gets resampled (ratio estimator over clusters).
    """
    statistics = np.stack([np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)], axis=1)
    return bootstrap_of_sums(statistics, lambda found: found[:, 0] / found[:, 1], resamples=resamples, seed=seed)


def bootstrap_of_sums(
    statistics: np.ndarray, estimate: Callable[[np.ndarray], np.ndarray], *, resamples: int = 2000, seed: int = 0
) -> tuple[float, float] | None:
    """Percentile bootstrap interval of a function of sums over observations (B. Efron, 1979); None below 3 of them.

    ``statistics`` is [observations, k]; ``estimate`` maps sums [resamples, k] to values [resamples], in its own unit.
    Same statistics and seed, same interval.
    """
    if len(statistics) < 3:
        return None
    low, high = np.quantile(estimate(resampled_sums(statistics, resamples=resamples, seed=seed)), [0.025, 0.975])
    return float(low), float(high)


def resampled_sums(statistics: np.ndarray, *, resamples: int, seed: int = 0) -> np.ndarray:
    """Sums [resamples, k] over observations drawn with replacement from ``statistics`` [observations, k].

    Whole rows are drawn, as multiplicities: nothing per observation is recomputed, and all columns see the same draws,
    so that the cost of drawing is paid once. Same statistics and seed, same sums.
    """
    n, sums = len(statistics), np.empty((resamples, statistics.shape[1]))
    generator, block = np.random.default_rng(seed), max(1, BLOCK // n)
    for start in range(0, resamples, block):
        count = min(block, resamples - start)
        picks = generator.integers(0, n, (count, n)) + (np.arange(count) * n)[:, None]
        times = np.bincount(picks.ravel(), minlength=count * n).reshape(count, n)
        sums[start : start + count] = times.astype(np.float64) @ statistics
    return sums
