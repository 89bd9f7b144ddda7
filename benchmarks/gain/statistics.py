"""The share of a fine-tune's gain that a subject keeps, with its interval: (subject - base) / (merged - base)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pairs import Outcomes, counts

from olivepress.stats.intervals import bootstrap_of_sums, paired_difference, resampled_sums

__all__ = ["KEEPS", "Answered", "over_tasks", "retained", "row_sums", "verdict"]

KEEPS = 0.95  # of the gain: what a target is asked to keep
RESAMPLES = 4000


@dataclass(frozen=True, kw_only=True)
class Answered:
    """Who was right, on the same rows: the base, and seed by seed the merged model and the subject made of it."""

    base: Outcomes
    merged: Sequence[Outcomes]
    subject: Sequence[Outcomes]


def row_sums(found: Answered) -> np.ndarray:
    """[rows, 2]: summed over the seeds, what the subject and what the merged model has over the base."""
    rows = sorted(found.base)
    for one in (*found.merged, *found.subject):
        assert one.keys() == found.base.keys()

    def over_base(seeds: Sequence[Outcomes]) -> list[int]:
        return [sum(int(one[row]) - int(found.base[row]) for one in seeds) for row in rows]

    return np.asarray([over_base(found.subject), over_base(found.merged)], dtype=np.float64).T


def retained(found: Answered) -> dict[str, Any]:
    """Share of the gain kept, 1 for all of it. Without a gain to keep no value, and the reason.

    The interval resamples test rows, each with the answers of all seeds, as the seeds answer the same ones. Where next
    to nothing differs a bootstrap has no width: it is widened to Newcombe's interval of the paired difference from the
    merged model, in shares of the gain.
    """
    sums = row_sums(found)
    n = len(found.base) * len(found.merged)
    merged_gain = bootstrap_of_sums(sums, lambda drawn: drawn[:, 1], resamples=RESAMPLES)
    if merged_gain is None or merged_gain[0] <= 0:
        return {"value": None, "reason": "fine-tuning gained nothing that is clear of chance", "n": n}
    interval = bootstrap_of_sums(sums, lambda drawn: drawn[:, 0] / drawn[:, 1], resamples=RESAMPLES)
    assert interval is not None
    low, high = newcombe(found)
    return {
        "value": float(sums[:, 0].sum() / sums[:, 1].sum()), "n": n,
        "ci_low": float(min(interval[0], low)), "ci_high": float(max(interval[1], high)),
    }  # fmt: skip


def newcombe(found: Answered) -> tuple[float, float]:
    """The share kept by Newcombe's interval of the paired difference from the merged model."""
    n, gained = len(found.base) * len(found.merged), row_sums(found)[:, 1].sum()
    low, high = paired_difference(*counts(list(zip(found.merged, found.subject, strict=True))))
    return 1 + low * n / gained, 1 + high * n / gained


def over_tasks(by_task: Mapping[str, Answered]) -> dict[str, Any]:
    """The mean of the tasks' shares, each task counting the same; rows are resampled within their tasks.

    Widened as ``retained`` is: the tasks' distances to the ends of Newcombe's intervals add up as independent ones do
    (squares are added; G. Y. Zou and A. Donner, Statist. Med. 27 (2008) 1693-1702).
    """
    drawn, values, below, above = [], [], [], []
    for number, found in enumerate(by_task.values()):
        own, sums = retained(found), row_sums(found)
        if own["value"] is None:
            return own
        values.append(own["value"])
        picked = resampled_sums(sums, resamples=RESAMPLES, seed=number)
        drawn.append(picked[:, 0] / picked[:, 1])
        low, high = newcombe(found)
        below.append(own["value"] - low)
        above.append(high - own["value"])
    low, high = np.quantile(np.mean(drawn, axis=0), [0.025, 0.975])
    mean, tasks = float(np.mean(values)), len(values)
    n = sum(len(found.base) * len(found.merged) for found in by_task.values())
    return {
        "value": mean, "n": n,
        "ci_low": float(min(low, mean - np.linalg.norm(below) / tasks)),
        "ci_high": float(max(high, mean + np.linalg.norm(above) / tasks)),
    }  # fmt: skip


def verdict(share: Mapping[str, Any], least: float = KEEPS) -> str:
    """Whether it keeps at least so much: yes or no where the whole interval is on one side."""
    if share.get("value") is None:
        return "not measured"
    if share["ci_low"] >= least:
        return "yes"
    return "no" if share["ci_high"] < least else "cannot tell"
