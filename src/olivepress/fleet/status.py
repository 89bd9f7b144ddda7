"""The state of a fleet: coverage, classes, rings and what was refused. Read from the index alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from olivepress.core.messages import some_of
from olivepress.fleet.answers import AnswerCounts
from olivepress.fleet.classes import DeviceClass, summarize
from olivepress.fleet.index import Index, Refusal
from olivepress.fleet.machines import Machine, by_key, read_machines
from olivepress.fleet.measured import Measured
from olivepress.fleet.records import INDEX, MACHINES, Fleet, Release
from olivepress.fleet.rollout import Decision, Ring, judge_rings
from olivepress.fleet.verify import Reported

__all__ = ["FleetStatus", "fleet_status"]

Newest = Mapping[str, tuple[str, Reported]]  # machine → (sha256, its newest report)


@dataclass(frozen=True, kw_only=True)
class FleetStatus:
    """``decision`` is that of the last ring that is open, whose name is ``ring``; ``before`` are the releases that
    machines are compared with. ``notes`` are what a person should look at and no gate judges."""

    fleet: str
    release: Release
    before: tuple[Release, ...]
    machines: int
    reported: int
    decision: Decision
    ring: str
    rings: tuple[Ring, ...]
    classes: tuple[DeviceClass, ...]
    refused: tuple[Refusal, ...]
    notes: tuple[str, ...]

    @property
    def open_to(self) -> tuple[str, ...]:
        """The rings that may have the release now; none after a regression."""
        if self.decision == "stop":
            return ()
        names = tuple(ring.name for ring in self.rings)
        return names[: names.index(self.ring) + 1 + (self.decision == "promote")]

    @property
    def refused_by_kind(self) -> dict[str, int]:
        return dict(Counter(refusal.kind for refusal in self.refused).most_common())


def fleet_status(fleet: Fleet) -> FleetStatus:
    """Everything of a fleet that its page shows. UsageError and SetupError as the readers raise them."""
    machines = read_machines(fleet.folder / MACHINES)
    keys = {machine.name: key for key, machine in by_key(machines).items()}
    with Index.opened(fleet.folder / INDEX) as index:
        before, present = (
            {report.machine: (sha256, report) for sha256, report in index.newest(releases, keys)}
            for releases in ([release.number for release in fleet.before], [fleet.present.number])
        )
        measured = [_measured(machine, before, present) for machine in machines]
        answers = _answers(index, machines, before, present)
        refused, copied = tuple(index.refusals()), index.copied(keys)
    rings = judge_rings(measured, answers, first_release=not fleet.before)
    open_rings = [ring for ring in rings if ring.decision != "not open"]
    return FleetStatus(
        fleet=fleet.name,
        release=fleet.present,
        before=fleet.before,
        machines=len(machines),
        reported=sum(each.after is not None for each in measured),
        decision=open_rings[-1].decision,
        ring=open_rings[-1].name,
        rings=rings,
        classes=summarize(measured, [ring.name for ring in open_rings]),
        refused=refused,
        notes=tuple(_notes(measured, copied)),
    )


def _measured(machine: Machine, before: Newest, present: Newest) -> Measured:
    first, second = before.get(machine.name), present.get(machine.name)
    return Measured(machine=machine, before=first[1] if first else None, after=second[1] if second else None)


def _answers(index: Index, machines: Sequence[Machine], before: Newest, present: Newest) -> AnswerCounts:
    """What changed in the answers of the machines that answered the same questions twice."""
    sums = AnswerCounts()
    for machine in machines:
        first, second = before.get(machine.name), present.get(machine.name)
        if first is None or second is None or first[1].questions != second[1].questions:
            continue
        earlier = index.scores(first[0])
        for metric, (ids, after) in index.scores(second[0]).items():
            same, values = earlier.get(metric, ("", after))
            if same == ids and len(values) == len(after):
                sums.add(machine, metric, ids, values, after)
    return sums


def _notes(measured: Sequence[Measured], copied: Sequence[str]) -> list[str]:
    notes = []
    if copied:
        notes.append(f"reports of one key from different processors, as if it had been copied: {some_of(copied)}")
    labelled = [each.after for each in measured if each.after is not None and each.after.labels]
    if labelled:
        labels = sorted({label for report in labelled for label in report.labels})
        notes.append(f"{', '.join(labels)}: {some_of([report.machine for report in labelled])}")
    return notes
