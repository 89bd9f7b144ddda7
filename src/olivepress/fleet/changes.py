"""What changed from one release to the next, on the machines that measured both: the gate's metrics, one by one.

Each machine is compared with itself, so machines of different speed can be taken together. The rules are those of
``compare --gate``: worse is what an interval shows to be worse by more than the noise, good enough is what excludes a
loss of more than ``LOSS_MARGIN``, and everything else is open, with the number that would decide it.

Times and memory: the median over machines of the relative change, with an interval from the order of the changes.
Answers: per question the median over the machines, then the interval of the mean over the questions.
Of several classes each has an interval so much surer that all of them together are wrong as seldom as one would be
(Bonferroni): else every thousandth class would stop a release by chance.
A median does not see that a few machines became much worse, so those are looked for as well.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal

import numpy as np

from olivepress.compare.verdicts import LOSS_MARGIN
from olivepress.fleet.answers import QuestionChange
from olivepress.fleet.classes import SMALLEST_SCALE
from olivepress.report.noise import CONFIDENCE
from olivepress.report.registry import METRICS, gated
from olivepress.stats.intervals import paired_mean_interval
from olivepress.stats.order_statistics import fewest_values, quantile_interval
from olivepress.stats.robust import deviations, stand_apart

__all__ = ["FEWEST_ANSWERING", "Change", "answers_change", "confidence_of", "far_behind", "machine_metrics"]
__all__ += ["more_than_a_few", "relative_change"]

SMALLEST_LOSS = 0.01  # of a time: less stops no rollout, however many machines show it
FEWEST_ANSWERING = 3  # machines, of which a majority of two is not moved by the third
Call = Literal["better", "not worse", "worse", "cannot tell"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A metric of the new release against the one before. ``change`` is relative, or in points for answers.

    ``n`` counts what the interval rests on, ``machines`` or ``questions``; ``needed`` is how many would decide.
    ``hidden``: it is not called worse, and would be if the machine that gained most were like the one that lost most:
    one that lies decides nothing.
    """

    metric: str
    call: Call
    n: int
    counted: Literal["machines", "questions"]
    change: float | None = None
    ci_low: float | None = None
    ci_high: float | None = None
    needed: int | None = None
    hidden: bool = False


def machine_metrics() -> list[str]:
    """The metrics of a gate that depend on the machine: the size of a bundle is known before it is sent."""
    return [name for name in gated() if METRICS[name].group == "latency"]


def confidence_of(classes: int) -> float:
    """Of the interval of one of so many classes, at least 1."""
    return 1.0 - (1.0 - CONFIDENCE) / classes


def relative_change(
    metric: str, before: np.ndarray, after: np.ndarray, noise: float, confidence: float = CONFIDENCE
) -> Change:
    """The change of a time or of memory, machine by machine in the same order. ``noise``: the machines' noise floor."""
    changes = np.sort(np.log(after / before))
    floor = max(noise, SMALLEST_LOSS) if METRICS[metric].judge == "rounds" else METRICS[metric].threshold
    change = _of_ordered(metric, changes, floor, confidence)
    if change.call == "worse" or not len(changes):
        return change
    is_rate = METRICS[metric].higher_is_better
    doubted = np.append(changes[0], changes[:-1]) if is_rate else np.append(changes[1:], changes[-1])
    return replace(change, hidden=_of_ordered(metric, doubted, floor, confidence).call == "worse")


def _of_ordered(metric: str, changes: np.ndarray, floor: float, confidence: float) -> Change:
    """``changes``: logarithms of ratios, in order; a loss up to ``floor`` is none."""
    n = len(changes)
    interval = quantile_interval(changes, 0.5, confidence)
    if interval is None:
        return Change(
            metric=metric, call="cannot tell", n=n, counted="machines", needed=fewest_values(0.5, confidence),
            change=float(np.expm1(np.median(changes))) if n else None,
        )  # fmt: skip
    middle, low, high = (math.expm1(value) for value in (float(np.median(changes)), *interval))
    return _called(metric, n, "machines", (middle, low, high), floor)


def answers_change(metric: str, answered: QuestionChange | None, confidence: float = CONFIDENCE) -> Change:
    """The change of a share of right answers; ``answered`` is None where no machine answered the same questions."""
    if answered is None or not len(answered.changes):
        return Change(metric=metric, call="cannot tell", n=0, counted="questions")
    changes = answered.changes
    if answered.machines < FEWEST_ANSWERING:
        return Change(
            metric=metric, call="cannot tell", n=answered.machines, counted="machines", needed=FEWEST_ANSWERING,
            change=float(changes.mean()),
        )  # fmt: skip
    low, high = paired_mean_interval(changes, z=NormalDist().inv_cdf((1.0 + confidence) / 2.0))
    return _called(metric, len(changes), "questions", (float(changes.mean()), low, high), 0.0)


def more_than_a_few(count: int, machines: int) -> bool:
    """Whether so many of the machines are more than a release may break unseen. One never is: it may lie."""
    return count > max(1.0, LOSS_MARGIN * machines)


def far_behind(losses: np.ndarray) -> np.ndarray:
    """The places of the machines that lost far more than the others, in the order of their losses; ``losses``: of a
    share, or logarithms of ratios. Empty unless they are more than a few: beyond as many as gained as much by chance.
    """
    distances = deviations(losses, SMALLEST_SCALE) if len(losses) else losses
    apart = stand_apart(distances)
    behind = np.flatnonzero(apart & (distances > 0) & (losses > LOSS_MARGIN))
    ahead = int(np.count_nonzero(apart & (distances < 0) & (losses < -LOSS_MARGIN)))
    if not more_than_a_few(len(behind) - ahead, len(losses)):
        return behind[:0]
    return behind[np.argsort(-losses[behind], kind="stable")]


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
