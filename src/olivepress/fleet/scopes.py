"""The changes of a release over a group of machines: each machine that measured a metric twice in the same way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from olivepress.fleet.answers import AnswerCounts, answers_metrics
from olivepress.fleet.changes import (
    FEWEST_ANSWERING,
    Change,
    answers_change,
    confidence_of,
    far_behind,
    machine_metrics,
    more_than_a_few,
    relative_change,
)
from olivepress.fleet.measured import Measured, by_class
from olivepress.fleet.verify import Reported
from olivepress.report.registry import METRICS

__all__ = ["Scope", "scopes"]

_SMALLEST = 1e-9  # of a time, a rate or bytes: a ratio to less may be no number any more


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The changes over all machines (``device_class`` is "") or over those of a class.

    ``machines`` measured both releases. ``lost``: metric → how many measured it before and do not any more, or not in
    the same way. ``behind``: metric → the machines that lost far more than the others. Both only where they are more
    than a few. ``confidence``: that of the changes' intervals.
    """

    device_class: str
    machines: int
    confidence: float
    changes: tuple[Change, ...]
    lost: Mapping[str, int]
    behind: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True, kw_only=True)
class _Twice:
    """A metric of the machines that measured it twice; ``noise`` is the noise floor of each, ``lost`` as in Scope."""

    machines: tuple[str, ...]
    before: np.ndarray
    after: np.ndarray
    noise: np.ndarray
    lost: int


def scopes(measured: Sequence[Measured], answers: AnswerCounts, rings: Sequence[str]) -> tuple[Scope, ...]:
    """Over all machines first, then over those of each class where there are several; ``rings`` are the machines'."""
    everything = _scope("", measured, answers, rings, confidence_of(1))
    classes = by_class(measured)
    if len(classes) < 2:
        return (everything,)
    judged = sum(sum(each.is_pair for each in members) >= FEWEST_ANSWERING for members in classes.values())
    confidence = confidence_of(max(1, judged))
    return everything, *(_scope(name, members, answers, rings, confidence) for name, members in classes.items())


def _scope(
    device_class: str, measured: Sequence[Measured], answers: AnswerCounts, rings: Sequence[str], confidence: float
) -> Scope:
    pairs = [each for each in measured if each.is_pair]
    changes, lost, behind = list[Change](), dict[str, int](), dict[str, tuple[str, ...]]()
    for metric in (*machine_metrics(), *answers_metrics()):
        of_answers = metric in answers_metrics()
        twice = _twice(metric, pairs, of_answers=of_answers)
        if more_than_a_few(twice.lost, len(pairs)):
            lost[metric] = twice.lost
        if not twice.machines:
            continue
        if of_answers:
            changes.append(answers_change(metric, answers.changes(metric, rings, device_class), confidence))
            losses = twice.before - twice.after
        else:
            noise = float(np.median(twice.noise))
            changes.append(relative_change(metric, twice.before, twice.after, noise, confidence))
            losses = np.log(twice.after / twice.before) * (-1.0 if METRICS[metric].higher_is_better else 1.0)
        if names := tuple(twice.machines[place] for place in far_behind(losses).tolist()):
            behind[metric] = names
    return Scope(
        device_class=device_class, machines=len(pairs), confidence=confidence, changes=tuple(changes), lost=lost,
        behind=behind,
    )  # fmt: skip


def _twice(metric: str, pairs: Sequence[Measured], *, of_answers: bool) -> _Twice:
    is_same = _same_questions if of_answers else _same_conditions
    machines, rows, lost = list[str](), list[tuple[float, float, float]](), 0
    for pair in pairs:
        assert pair.before is not None and pair.after is not None
        before, after = (_usable(report.metrics.get(metric), of_answers) for report in (pair.before, pair.after))
        if before is None:
            continue
        if after is None or not is_same(pair.before, pair.after):
            lost += 1
            continue
        machines.append(pair.machine.name)
        noise = max(report.metrics.get("noise_floor", 0.0) for report in (pair.before, pair.after))
        rows.append((before, after, noise))
    columns = np.asarray(rows, dtype=np.float64).reshape(-1, 3).T
    return _Twice(machines=tuple(machines), before=columns[0], after=columns[1], noise=columns[2], lost=lost)


def _usable(value: float | None, of_answers: bool) -> float | None:
    """A time of 0 has no relative change, nor have bytes of which there is less than any device can measure."""
    return value if value is not None and (of_answers or value >= _SMALLEST) else None


def _same_questions(before: Reported, after: Reported) -> bool:
    return before.questions == after.questions


def _same_conditions(before: Reported, after: Reported) -> bool:
    return (before.processor, before.workload) == (after.processor, after.workload)
