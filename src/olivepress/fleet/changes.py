"""What changed from one release to the next, on the machines that measured both: the gate's metrics, one by one.

Each machine is compared with itself, so machines of different speed can be taken together. The rules are those of
``compare --gate``: worse is what an interval shows to be worse by more than the noise, good enough is what excludes a
loss of more than ``LOSS_MARGIN``, and everything else is open, with the number that would decide it.

Times and memory: the median over machines of the relative change, with an interval from the order of the changes.
Answers: machines that run the same artifact on the same questions give much the same answers, so questions are counted
and not machines: per question the mean over the machines, then the interval of the mean over the questions.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from olivepress.compare.verdicts import LOSS_MARGIN
from olivepress.report.noise import CONFIDENCE
from olivepress.report.registry import METRICS, gated
from olivepress.stats.intervals import paired_mean_interval
from olivepress.stats.order_statistics import fewest_values, quantile_interval

__all__ = ["Change", "answers_change", "answers_metrics", "machine_metrics", "relative_change"]

SMALLEST_LOSS = 0.01  # of a time: less stops no rollout, however many machines show it
_Z99 = 2.5758293035489004  # the 99.5 % quantile of the standard normal
Call = Literal["better", "not worse", "worse", "cannot tell"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A metric of the new release against the one before. ``change`` is relative, or in points for answers.

    ``n`` counts what the interval rests on, ``machines`` or ``questions``; ``needed`` is how many would decide.
    """

    metric: str
    call: Call
    n: int
    counted: Literal["machines", "questions"]
    change: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    needed: int | None = None


def machine_metrics() -> list[str]:
    """The metrics of a gate that depend on the machine: the size of a bundle is known before it is sent."""
    return [name for name in gated() if METRICS[name].group == "latency"]


def answers_metrics() -> list[str]:
    """The metrics of a gate that are compared question by question."""
    return [name for name in gated() if METRICS[name].judge in ("share", "mean")]


def relative_change(metric: str, before: Sequence[float], after: Sequence[float], noise: float) -> Change:
    """The change of a time or of memory, machine by machine in the same order. ``noise``: the machines' noise floor."""
    changes = np.sort(np.log(np.asarray(after) / np.asarray(before)))
    n = len(changes)
    interval = quantile_interval(changes, 0.5, CONFIDENCE)
    if interval is None:
        return Change(
            metric=metric, call="cannot tell", n=n, counted="machines", needed=fewest_values(0.5, CONFIDENCE),
            change=float(np.expm1(np.median(changes))) if n else None,
        )  # fmt: skip
    middle, low, high = (math.expm1(value) for value in (float(np.median(changes)), *interval))
    floor = max(noise, SMALLEST_LOSS) if METRICS[metric].judge == "rounds" else METRICS[metric].threshold
    return _called(metric, n, "machines", (middle, low, high), floor)


def answers_change(metric: str, differences: np.ndarray) -> Change:
    """The change of a share of right answers; ``differences`` are the means over machines, one per question."""
    if not len(differences):
        return Change(metric=metric, call="cannot tell", n=0, counted="questions")
    low, high = paired_mean_interval(differences, z=_Z99)
    return _called(metric, len(differences), "questions", (float(differences.mean()), low, high), 0.0)


def _called(
    metric: str, n: int, counted: Literal["machines", "questions"], change: tuple[float, float, float], floor: float
) -> Change:
    middle, low, high = change
    loss, least, most = (-middle, -high, -low) if METRICS[metric].higher_is_better else (middle, low, high)
    call: Call = "cannot tell"
    needed = None
    if least > 0 and loss > floor:
        call = "worse"
    elif most <= max(LOSS_MARGIN, floor):
        call = "better" if most < 0 and -loss > floor else "not worse"
    else:
        needed = _needed(n, loss, least, most, max(LOSS_MARGIN, floor))
    return Change(
        metric=metric, call=call, n=n, counted=counted, change=middle, ci_low=low, ci_high=high, needed=needed
    )


def _needed(n: int, loss: float, least: float, most: float, margin: float) -> int:
    """How many would decide, if the change stays what it is: an interval's width falls with the root of its n."""
    width, distance = most - loss, margin - loss
    if distance <= 0:  # then it is to be shown to be worse
        width, distance = loss - least, loss
    factor = (width / distance) ** 2
    return max(n + 1, math.ceil(n * min(factor, 1e6)))
