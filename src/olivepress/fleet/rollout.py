"""The rollout: for each ring whether the release may go on to the next one.

A ring is judged on its machines and on those of the rings before it. Machines of later rings that have the release
already do not count: their ring is what decides when they are asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from olivepress.core.messages import counted, some_of
from olivepress.fleet.answers import AnswerCounts, answers_metrics
from olivepress.fleet.changes import Change
from olivepress.fleet.measured import Measured, by_class
from olivepress.fleet.rings import RINGS, rings_up_to
from olivepress.fleet.scopes import Scope, scopes
from olivepress.report.judgement import Outcome
from olivepress.report.registry import METRICS

__all__ = ["COVERAGE", "OUTCOMES", "Decision", "Ring", "judge_rings"]

COVERAGE = 0.9  # of a ring's machines that must have reported: a release that breaks a machine looks like silence
CLASS_COVERAGE = 0.5  # of those of each class: one that breaks a small class alone does too
Decision = Literal["promote", "hold", "stop", "not open"]
OUTCOMES: Mapping[Decision, Outcome] = {"promote": "pass", "stop": "fail", "hold": "inconclusive"}


@dataclass(frozen=True, kw_only=True)
class Ring:
    """``machines`` and ``reported`` are those of this ring alone; ``scopes`` include the rings before it."""

    name: str
    machines: int
    reported: int
    decision: Decision
    reasons: tuple[str, ...]
    scopes: tuple[Scope, ...] = ()


def judge_rings(measured: Sequence[Measured], answers: AnswerCounts, *, first_release: bool) -> tuple[Ring, ...]:
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


def _ring(name: str, measured: Sequence[Measured], answers: AnswerCounts, first_release: bool) -> Ring:
    own = _own(name, measured)
    so_far = [each for each in measured if each.machine.ring in rings_up_to(name)]
    changed = () if first_release else scopes(so_far, answers, rings_up_to(name))
    decision, reasons = _decide(so_far, changed, first_release=first_release)
    return Ring(
        name=name,
        machines=len(own),
        reported=sum(each.after is not None for each in own),
        decision=decision,
        reasons=tuple(reasons),
        scopes=changed,
    )


def _decide(
    machines: Sequence[Measured], changed: Sequence[Scope], *, first_release: bool
) -> tuple[Decision, list[str]]:
    """``changed``: the scopes, that of all machines first."""
    worse = [_sentence(scope, change) for scope in changed for change in scope.changes if change.call == "worse"]
    if worse:
        return "stop", worse
    if not machines:
        return "promote", ["no machine is in it"]
    reasons = list(_silent(machines))
    if first_release:
        return ("hold", reasons) if reasons else ("promote", ["the first release: there is none to be worse than"])
    reasons += [reason for scope in changed for reason in _partly(scope)]
    everything = changed[0]
    untold = [change for change in everything.changes if change.call == "cannot tell" and not change.hidden]
    reasons += [_sentence(everything, change) for change in untold]
    reasons += [_sentence(scope, change) for scope in changed for change in scope.changes if change.hidden]
    if not everything.changes:
        reasons.append("no machine measured this release and the one before")
    if reasons:
        return "hold", reasons
    return "promote", [f"no metric is worse on {counted(everything.machines, 'machine')}", *_unjudged(changed[1:])]


def _silent(machines: Sequence[Measured]) -> Iterator[str]:
    """Where too few have reported: of all machines, and of each class."""
    if text := _too_few(machines, COVERAGE):
        yield text
    classes = by_class(machines)
    for name, members in classes.items():
        text = _too_few(members, CLASS_COVERAGE)
        if text and len(classes) > 1:
            yield f"{name}: {text}"


def _too_few(machines: Sequence[Measured], share: float) -> str:
    silent = sum(each.after is None for each in machines)
    if len(machines) - silent >= share * len(machines):
        return ""
    return f"not reported: {silent:,} of {counted(len(machines), 'machine')}; {100 * share:.0f} % must have reported"


def _unjudged(classes: Sequence[Scope]) -> list[str]:
    """Classes that are too small to be judged by themselves."""
    names = [scope.device_class for scope in classes if any(change.call == "cannot tell" for change in scope.changes)]
    names += [scope.device_class for scope in classes if not scope.changes]
    return [f"not enough machines to say for these classes by themselves: {some_of(names)}"] if names else []


def _sentence(scope: Scope, change: Change) -> str:
    title = _title(scope, change.metric)
    if change.change is None:
        return f"{title}: not enough to say, the two releases have no answers to the same questions"
    unit = "points" if change.metric in answers_metrics() else "%"
    shown = f"{title} {100 * change.change:+.1f} {unit}"
    if change.ci_low is not None and change.ci_high is not None:
        confidence = f"{100 * scope.confidence:.5g} % interval"
        shown += f" ({100 * change.ci_low:+.1f} to {100 * change.ci_high:+.1f}, {confidence})"
    shown += f", n={change.n:,} {change.counted}"
    if change.call == "worse":
        return f"{shown}: worse"
    if change.hidden:
        return f"{shown}: worse but for the machine that gained most"
    return f"{shown}: not enough to say; about {change.needed:,} would decide" if change.needed else shown


def _partly(scope: Scope) -> Iterator[str]:
    """What a median does not show: machines that lost a metric, or far more than the others."""
    for metric, count in scope.lost.items():
        machines = counted(count, "machine")
        yield f"{_title(scope, metric)} was measured before and not any more, or not in the same way, on {machines}"
    for metric, names in scope.behind.items():
        machines = f"{len(names):,} of {counted(scope.machines, 'machine')}"
        yield f"{_title(scope, metric)} became far worse than on the others on {machines}: {some_of(names)}"


def _title(scope: Scope, metric: str) -> str:
    return f"{scope.device_class}: {METRICS[metric].title}" if scope.device_class else METRICS[metric].title
