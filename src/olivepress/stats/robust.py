"""Which values stand apart from the others, whatever their distribution."""

from __future__ import annotations

import numpy as np

__all__ = ["FEWEST", "deviations", "stand_apart"]

FEWEST = 8  # values, below which none is said to stand apart
# Modified z-scores beyond it are outliers: B. Iglewicz, D. Hoaglin, How to Detect and Handle Outliers (1993).
_CUT = 3.5
_TO_SIGMA = 1.4826  # of the median absolute deviation


def deviations(values: np.ndarray, smallest_scale: float) -> np.ndarray:
    """Distance of each value from the median in robust standard deviations, of which one is ``smallest_scale`` or more:
    where most values agree exactly, a small difference is none."""
    middle = float(np.median(values))
    scale = max(_TO_SIGMA * float(np.median(np.abs(values - middle))), smallest_scale)
    return np.asarray((values - middle) / scale)


def stand_apart(distances: np.ndarray) -> np.ndarray:
    """Whether each of the ``deviations`` is that of an outlier; none is where there are fewer than ``FEWEST``."""
    return np.asarray((np.abs(distances) > _CUT) & (len(distances) >= FEWEST))
