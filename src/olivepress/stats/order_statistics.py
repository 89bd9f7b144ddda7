"""Intervals of a median and of other quantiles from the values in their order: no assumption about their distribution.

The number of values below the true quantile is binomial, so two of the ordered values enclose it with a probability
that is known exactly (W. R. Thompson, Ann. Math. Statist. 7 (1936) 122-128). With few values no two of them do.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

__all__ = ["fewest_values", "quantile_interval"]


def quantile_interval(ordered: np.ndarray, share: float, confidence: float) -> tuple[float, float] | None:
    """The ordered values between which the quantile at ``share`` lies; None where there are too few.

    Each side is wrong with at most (1 - confidence) / 2. ValueError for a share outside of 0 to 1.
    """
    ranks = _ranks(len(ordered), share, confidence)
    return None if ranks is None else (float(ordered[ranks[0]]), float(ordered[ranks[1]]))


def fewest_values(share: float, confidence: float) -> int:
    """How many values it takes before ``quantile_interval`` has an interval."""
    n = 1
    while _ranks(n, share, confidence) is None:
        n += 1
    return n


@lru_cache(maxsize=4096)
def _ranks(n: int, share: float, confidence: float) -> tuple[int, int] | None:
    """Ranks, from 0, of the two values."""
    if not 0.0 < share < 1.0:
        raise ValueError(f"a quantile lies between 0 and 1, not at {share}")
    counts = np.arange(n + 1)
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    log_terms = log_factorial[n] - log_factorial - log_factorial[::-1]
    log_terms += counts * math.log(share) + (n - counts) * math.log1p(-share)
    at_most = np.cumsum(np.exp(log_terms))  # P(no more than that many values are below the quantile)
    tail = (1.0 - confidence) / 2.0
    below = int(np.searchsorted(at_most, tail, side="right"))  # values that may be left out at the lower end
    at_least = np.cumsum(np.exp(log_terms)[::-1])
    above = int(np.searchsorted(at_least, tail, side="right"))
    low, high = below - 1, n - above
    return (low, high) if 0 <= low <= high < n else None
