"""Agreement between raters: Krippendorff's alpha of the ordered votes b < tie < a."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np

__all__ = ["Agreement", "agreement"]

_RESAMPLES = 1000


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """``alpha`` is 1 for perfect agreement and 0 for that of chance, over ``prompts`` that two raters or more voted on;
    its 95 % interval resamples prompts. None with the ``reason``."""

    alpha: float | None
    ci_low: float | None
    ci_high: float | None
    prompts: int
    raters: int
    reason: str = ""


def agreement(votes: Iterable[tuple[str, Hashable, int]], *, seed: int = 0) -> Agreement:
    """Krippendorff's alpha, ordinal (K. Krippendorff, Content Analysis, 2019, chapter 12), of (rater, prompt, vote).

    SetupError when the package krippendorff is missing.
    """
    table = dict[tuple[str, Hashable], int]()
    for rater, prompt, vote in votes:
        table[rater, prompt] = vote
    raters = list(dict.fromkeys(rater for rater, _ in table))
    rated = dict[Hashable, int]()
    for _, prompt in table:
        rated[prompt] = rated.get(prompt, 0) + 1
    shared = [prompt for prompt, count in rated.items() if count > 1]
    if not shared:
        return _none(0, len(raters), "no prompt has the votes of two raters")
    data = np.array([[table.get((rater, prompt), np.nan) for prompt in shared] for rater in raters], dtype=np.float64)
    value = _alpha(data)
    if value is None:
        return _none(len(shared), len(raters), "all votes are the same: there is no chance agreement to compare with")
    picks = np.random.default_rng(seed).integers(0, len(shared), (_RESAMPLES, len(shared)))
    again = [each for pick in picks if (each := _alpha(data[:, pick])) is not None]
    low, high = np.quantile(again, [0.025, 0.975])
    return Agreement(alpha=value, ci_low=float(low), ci_high=float(high), prompts=len(shared), raters=len(raters))


def _none(prompts: int, raters: int, reason: str) -> Agreement:
    return Agreement(alpha=None, ci_low=None, ci_high=None, prompts=prompts, raters=raters, reason=reason)


def _alpha(data: np.ndarray) -> float | None:
    """None where every vote is the same."""
    from olivepress.abtest.packages import krippendorff

    values = data[~np.isnan(data)]
    if len(np.unique(values)) < 2:
        return None
    return float(krippendorff().alpha(reliability_data=data, level_of_measurement="ordinal"))
