"""What a search found: the finalists, the winner, and whether it is better than the default. Pure.

The winner is the best of many, by luck too: its own validation metric says nothing. So both are trained anew with seeds
that the search did not use, and answer the test split, which it did not see.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from olivepress.report.answers import FEWEST
from olivepress.stats.paired import ALPHA, bootstrap_means, detectable_mean

__all__ = ["Call", "Verdict", "best_mean", "compare_scores"]

Call = Literal["better", "worse", "not distinguishable"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The winner's score less the default's on ``rows`` test rows, each the mean of ``seeds`` fine-tunes.

    The interval (95 %) and ``p_value`` are of the paired bootstrap over rows. ``by_seed`` are the differences of each
    pair of fine-tunes; ``detectable`` is what the rows would show with a power of 80 %.
    """

    call: Call
    metric: str
    rows: int
    seeds: int
    default: float
    winner: float
    difference: float
    ci_low: float
    ci_high: float
    p_value: float
    detectable: float
    by_seed: tuple[float, ...]

    @property
    def text(self) -> str:
        """In one line."""
        numbers = (
            f"{self.metric} on {self.rows} test rows, {self.seeds} fresh seeds each: {self.winner:.3f} against "
            f"{self.default:.3f} of the default, difference {self.difference:+.3f} "
            f"(95 % {self.ci_low:+.3f} to {self.ci_high:+.3f}, p = {self.p_value:.2g})"
        )
        if self.call == "not distinguishable":
            return f"not distinguishable from the default: {numbers}"
        return f"{self.call} than the default: {numbers}"


def compare_scores(
    metric: str, default: Sequence[Mapping[str, float]], winner: Sequence[Mapping[str, float]]
) -> Verdict:
    """The verdict on (row → score) of one fine-tune for each seed, in the same order of seeds.

    Better (or worse) where the interval over rows excludes 0 and every pair of seeds agrees on the sign: with few seeds
    the rows alone would take the luck of one seed for a difference. Fewer than 30 rows show nothing: resamples of a few
    rows that agree never disagree. ValueError without common rows.
    """
    rows = sorted(set.intersection(*(set(scores) for scores in (*default, *winner))))
    if not rows or len(default) != len(winner):
        raise ValueError("a comparison needs the same rows and as many seeds of both")
    before = np.array([[scores[row] for row in rows] for scores in default], dtype=np.float64)
    after = np.array([[scores[row] for row in rows] for scores in winner], dtype=np.float64)
    by_row, by_seed = (after - before).mean(axis=0), (after - before).mean(axis=1)
    low, high, p = bootstrap_means(by_row[:, None])[0]
    call: Call = "not distinguishable"
    enough = len(rows) >= FEWEST
    if enough and p < ALPHA and low > 0 and (by_seed > 0).all():
        call = "better"
    elif enough and p < ALPHA and high < 0 and (by_seed < 0).all():
        call = "worse"
    return Verdict(
        call=call,
        metric=metric,
        rows=len(rows),
        seeds=len(default),
        default=float(before.mean()),
        winner=float(after.mean()),
        difference=float(by_row.mean()),
        ci_low=low,
        ci_high=high,
        p_value=p,
        detectable=detectable_mean(by_row),
        by_seed=tuple(float(each) for each in by_seed),
    )


def best_mean(values: Mapping[str, Sequence[float]], *, seeds: int, higher: bool) -> str | None:
    """The candidate with the best mean over all ``seeds``; the first of equal ones, None where none has them all."""
    means = {name: float(np.mean(each)) for name, each in values.items() if len(each) == seeds}
    if not means:
        return None
    if higher:
        return max(means, key=lambda name: means[name])
    return min(means, key=lambda name: means[name])
