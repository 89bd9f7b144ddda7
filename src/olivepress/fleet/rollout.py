"""The rollout: for each ring whether the release may go on to the next one.

A ring is judged on its machines and on those of the rings before it. Machines of later rings that have the release
already do not count: their ring is what decides when they are asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from olivepress.compare.verdicts import LOSS_MARGIN
from olivepress.core.messages import counted
from olivepress.fleet.answers import AnswerSums
from olivepress.fleet.changes import Change, answers_change, answers_metrics, machine_metrics, relative_change
from olivepress.fleet.machines import Machine
from olivepress.fleet.rings import RINGS, rings_up_to
from olivepress.fleet.verify import Reported
from olivepress.report.registry import METRICS

__all__ = ["COVERAGE", "Decision", "Measured", "Ring", "Scope", "judge_rings"]

COVERAGE = 0.9  # of a ring's machines that must have reported: a release that breaks a machine looks like silence
CLASS_COVERAGE = 0.5  # of those of each class: one that breaks a small class alone does too
Decision = Literal["promote", "hold", "stop", "not open"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one machine measured of the release before and of the present one; None where it has not reported."""

    machine: Machine
    before: Reported | None
    after: Reported | None

    @property
    def is_pair(self) -> bool:
        return self.before is not None and self.after is not None


@dataclass(frozen=True, kw_only=True)
class Scope:
    """The changes over all machines (``device_class`` is "") or over those of a class; ``lost``: metric → machines
    that measured it before and do not any more."""

    device_class: str
    machines: int
    changes: tuple[Change, ...]
    lost: Mapping[str, int]


@dataclass(frozen=True, kw_only=True)
class Ring:
    """``machines`` and ``reported`` are those of this ring alone; ``scopes`` include the rings before it."""

    name: str
    machines: int
    reported: int
    decision: Decision
    reasons: tuple[str, ...]
    scopes: tuple[Scope, ...] = ()


def judge_rings(measured: Sequence[Measured], answers: AnswerSums, *, first_release: bool) -> tuple[Ring, ...]:
    """Each ring in order. A ring is not open while one before it is not promoted, and until its first report."""
    rings, is_open = list[Ring](), True
    for name in RINGS:
        own = _own(name, measured)
        has_begun = not rings or not own or any(each.after is not None for each in own)
        is_open = is_open and has_begun
        ring = _ring(name, measured, answers, first_release) if is_open else _closed(name, measured)
        rings.append(ring)
        is_open = is_open and ring.decision == "promote"
    return tuple(rings)


def _own(name: str, measured: Sequence[Measured]) -> list[Measured]:
    return [each for each in measured if each.machine.ring == name]


def _closed(name: str, measured: Sequence[Measured]) -> Ring:
    own = _own(name, measured)
    early = sum(each.after is not None for each in own)
    reasons = (f"{counted(early, 'machine')} of it reported already",) if early else ()
    return Ring(name=name, machines=len(own), reported=early, decision="not open", reasons=reasons)


def _ring(name: str, measured: Sequence[Measured], answers: AnswerSums, first_release: bool) -> Ring:
    own = _own(name, measured)
    so_far = [each for each in measured if each.machine.ring in rings_up_to(name)]
    scopes = () if first_release else tuple(_scopes(so_far, answers, rings_up_to(name)))
    decision, reasons = _decide(so_far, scopes, first_release=first_release)
    return Ring(
        name=name,
        machines=len(own),
        reported=sum(each.after is not None for each in own),
        decision=decision,
        reasons=tuple(reasons),
        scopes=scopes,
    )


def _scopes(measured: Sequence[Measured], answers: AnswerSums, rings: Sequence[str]) -> Iterator[Scope]:
    """Over all machines first, then over those of each class."""
    yield _scope("", measured, answers, rings)
    classes = sorted({each.machine.device_class for each in measured})
    if len(classes) > 1:
        for name in classes:
            yield _scope(name, [each for each in measured if each.machine.device_class == name], answers, rings)


def _decide(
    machines: Sequence[Measured], scopes: Sequence[Scope], *, first_release: bool
) -> tuple[Decision, list[str]]:
    worse = [_sentence(scope, change) for scope in scopes for change in scope.changes if change.call == "worse"]
    if worse:
        return "stop", worse
    if not machines:
        return "promote", ["no machine is in it"]
    reasons = list(_silent(machines))
    if first_release:
        return ("hold", reasons) if reasons else ("promote", ["the first release: there is none to be worse than"])
    for scope in scopes:
        reasons += [_lost(scope, metric, count) for metric, count in scope.lost.items()]
    everything = scopes[0]
    reasons += [_sentence(everything, change) for change in everything.changes if change.call == "cannot tell"]
    if not everything.changes:
        reasons.append("no machine measured this release and the one before")
    if reasons:
        return "hold", reasons
    return "promote", [f"no metric is worse on {counted(everything.machines, 'machine')}", *_unjudged(scopes[1:])]


def _silent(machines: Sequence[Measured]) -> Iterator[str]:
    """Where too few have reported: of all machines, and of each class."""
    if text := _too_few(machines, COVERAGE):
        yield text
    by_class = dict[str, list[Measured]]()
    for each in machines:
        by_class.setdefault(each.machine.device_class, []).append(each)
    for name, members in sorted(by_class.items()):
        text = _too_few(members, CLASS_COVERAGE)
        if text and len(by_class) > 1:
            yield f"{name}: {text}"


def _too_few(machines: Sequence[Measured], share: float) -> str:
    silent = sum(each.after is None for each in machines)
    if len(machines) - silent >= share * len(machines):
        return ""
    return f"{silent:,} of {counted(len(machines), 'machine')} have not reported; {100 * share:.0f} % must have"


def _unjudged(classes: Sequence[Scope]) -> list[str]:
    """Classes that are too small to be judged by themselves."""
    names = [scope.device_class for scope in classes if any(change.call == "cannot tell" for change in scope.changes)]
    names += [scope.device_class for scope in classes if not scope.changes]
    return [f"not enough machines to say for these classes by themselves: {', '.join(names)}"] if names else []


def _scope(device_class: str, measured: Sequence[Measured], answers: AnswerSums, rings: Sequence[str]) -> Scope:
    pairs = [each for each in measured if each.is_pair]
    changes, lost = list[Change](), dict[str, int]()
    for metric in (*machine_metrics(), *answers_metrics()):
        without = sum(_has(pair.before, metric) and not _has(pair.after, metric) for pair in pairs)
        if without > LOSS_MARGIN * len(pairs):
            lost[metric] = without
    for metric in machine_metrics():
        change = _machine_change(metric, pairs)
        changes += [change] if change else []
    for metric in answers_metrics():
        differences = answers.differences(metric, rings, device_class)
        if differences is not None:
            changes.append(answers_change(metric, differences))
        elif any(_has(pair.before, metric) and _has(pair.after, metric) for pair in pairs):
            changes.append(Change(metric=metric, call="cannot tell", n=0, counted="questions"))
    return Scope(device_class=device_class, machines=len(pairs), changes=tuple(changes), lost=lost)


def _has(reported: Reported | None, metric: str) -> bool:
    return reported is not None and metric in reported.metrics


def _machine_change(metric: str, pairs: Sequence[Measured]) -> Change | None:
    """The change over the machines that have both values; None where there is none."""
    before, after, noise = list[float](), list[float](), list[float]()
    for pair in pairs:
        assert pair.before is not None and pair.after is not None
        first, second = pair.before.metrics.get(metric), pair.after.metrics.get(metric)
        if first and second and first > 0 and second > 0:
            before.append(first)
            after.append(second)
            floors = (report.metrics.get("noise_floor", 0.0) for report in (pair.before, pair.after))
            noise.append(max(floors))
    if not before:
        return None
    return relative_change(metric, before, after, float(np.median(noise)))


def _sentence(scope: Scope, change: Change) -> str:
    where = f"{scope.device_class}: " if scope.device_class else ""
    title = f"{where}{METRICS[change.metric].title}"
    if change.change is None:
        return f"{title}: not enough to say, the two releases have no answers to the same questions"
    unit = "points" if change.counted == "questions" else "%"
    shown = f"{title} {100 * change.change:+.1f} {unit}"
    if change.ci_low is not None and change.ci_high is not None:
        shown += f" ({100 * change.ci_low:+.1f} to {100 * change.ci_high:+.1f}, 99 % interval)"
    shown += f", n={change.n:,} {change.counted}"
    if change.call == "worse":
        return f"{shown}: worse"
    return f"{shown}: not enough to say; about {change.needed:,} would decide" if change.needed else shown


def _lost(scope: Scope, metric: str, count: int) -> str:
    where = f"{scope.device_class}: " if scope.device_class else ""
    return f"{where}{METRICS[metric].title} could not be measured any more on {counted(count, 'machine')}"
