"""Confidence intervals, all 95 %: Wilson for shares, seeded percentile bootstrap for medians and clustered means."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

__all__ = ["Z95", "bootstrap_median", "bootstrap_of_sums", "cluster_mean", "examples_to_decide", "paired_difference"]
__all__ += ["paired_mean_interval", "paired_score_interval", "resampled_sums", "restricted_variance", "wilson"]

Z95 = 1.959963984540054  # the 97.5 % quantile of the standard normal
BLOCK = 4_000_000  # multiplicities drawn at once: 32 MB


def wilson(successes: int, n: int) -> tuple[float, float]:
    """Wilson score interval of a share (E. B. Wilson, JASA 22 (1927) 209-212).

    center = (p + z²/2n) / (1 + z²/n), half width = z·sqrt(p(1-p)/n + z²/4n²) / (1 + z²/n). ValueError for n < 1.
    """
    if n < 1 or not 0 <= successes <= n:
        raise ValueError(f"wilson needs 0 <= successes <= n and n >= 1, got {successes} of {n}")
    p, z2 = successes / n, Z95 * Z95
    center = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = Z95 * math.sqrt(p * (1 - p) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    # At the ends rounding may be off by an ulp: make sure that 0 <= low <= p <= high <= 1.
    low = 0.0 if successes == 0 else max(0.0, min(p, center - half))
    return low, 1.0 if successes == n else min(1.0, max(p, center + half))


def paired_difference(both: int, only_a: int, only_b: int, neither: int) -> tuple[float, float]:
    """95 % interval of rate b - rate a, from the counts of correct answers to the same examples.

    Newcombe's score interval for paired proportions, with the continuity-corrected correlation (R. G. Newcombe,
    Statist. Med. 17 (1998) 2635-2650, method 10). Unlike a bootstrap it has a width even if no example, or every
    one, differs. ValueError without examples.
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


def restricted_variance(only_a: float, only_b: float, difference: float) -> float:
    """n times the variance of a paired difference of shares whose true value is ``difference`` (rate b - rate a).

    ``only_a`` and ``only_b`` are the observed shares of pairs that only one of the two answers correctly; they are
    replaced by their maximum-likelihood estimates under that difference (T. Tango, Statist. Med. 17 (1998) 891-908,
    eq. 6).
    """
    linear = -only_b - only_a + (2.0 - only_b + only_a) * difference
    constant = -only_a * difference * (1.0 - difference)
    estimate = (math.sqrt(max(linear * linear - 8.0 * constant, 0.0)) - linear) / 4.0
    return max(2.0 * estimate + difference * (1.0 - difference), 0.0)


def paired_score_interval(only_a: int, only_b: int, n: int, *, z: float = Z95) -> tuple[float, float]:
    """Score interval of rate b - rate a on the same ``n`` examples (Tango 1998, see above).

    All differences that the score test does not reject: with no discordant pair ±z²/(n + z²), so that a few examples
    cannot prove that nothing was lost, as Newcombe's interval (``paired_difference``) would at n = 100. Use it to show
    non-inferiority (J. Nam, Biometrics 53 (1997) 1422-1430). ValueError without examples.
    """
    if n < 1 or min(only_a, only_b) < 0 or only_a + only_b > n:
        raise ValueError(f"needs counts of discordant pairs among n >= 1, got {only_a} and {only_b} of {n}")
    a, b = only_a / n, only_b / n

    def rejected(difference: float) -> bool:
        distance = (b - a - difference) ** 2
        return distance > z * z * restricted_variance(a, b, difference) / n

    def end(inside: float, outside: float) -> float:
        for _ in range(60):
            middle = (inside + outside) / 2
            inside, outside = (inside, middle) if rejected(middle) else (middle, outside)
        return inside

    return end(b - a, -1.0), end(b - a, 1.0)


def paired_mean_interval(differences: np.ndarray, *, z: float = Z95) -> tuple[float, float]:
    """Interval of the mean of paired differences of scores from 0 to 1, with one pair of -1 and one of +1 added.

    mean* ± z·sqrt((Σd² + 2)/(n + 2) - mean*²)/sqrt(n + 2), mean* = Σd/(n + 2): for correct or wrong it is the adjusted
    interval of D. G. Bonett and R. M. Price, J. Educ. Behav. Statist. 37 (2012) 479-488. The interval has a
    width even if all differences are 0. ValueError without differences.
    """
    if not len(differences):
        raise ValueError("an interval needs at least one difference")
    n = len(differences) + 2
    mean = float(differences.sum()) / n
    variance = (float((differences**2).sum()) + 2.0) / n - mean * mean
    half = z * math.sqrt(max(variance, 0.0) / n)
    return max(mean - half, -1.0), min(mean + half, 1.0)


def examples_to_decide(n: int, value: float, low: float, high: float, limit: float) -> int | None:
    """About how many examples would leave ``limit`` outside of an interval that contains it, if the value stays.

    n·(half/distance)², half the width on the side of the limit, as it falls with 1/√n. None without examples, where the
    value is the limit itself, and where its interval has no width on that side.
    """
    half, distance = (value - low, value - limit) if value > limit else (high - value, limit - value)
    if min(n, half, distance) <= 0:
        return None
    return max(n + 1, math.ceil(n * (half / distance) ** 2))


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

    Tokens of one prompt are not independent, so prompts are resampled (ratio estimator over clusters).
    """
    statistics = np.stack([np.asarray(sums, dtype=np.float64), np.asarray(counts, dtype=np.float64)], axis=1)
    return bootstrap_of_sums(statistics, lambda totals: totals[:, 0] / totals[:, 1], resamples=resamples, seed=seed)


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
