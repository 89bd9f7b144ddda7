"""The state of a fleet: coverage, classes, rings and what was refused. Read from the index alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from olivepress.fleet.answers import AnswerSums
from olivepress.fleet.classes import DeviceClass, summarize
from olivepress.fleet.index import Index, Refusal
from olivepress.fleet.machines import Machine, by_key, read_machines
from olivepress.fleet.records import INDEX, MACHINES, Fleet, Release
from olivepress.fleet.rollout import Decision, Measured, Ring, judge_rings
from olivepress.fleet.verify import Reported

__all__ = ["FleetStatus", "fleet_status"]

Newest = Mapping[str, tuple[str, Reported]]  # machine → (sha256, its newest report)


@dataclass(frozen=True, kw_only=True)
class FleetStatus:
    """``decision`` is that of the last ring that is open, whose name is ``ring``. ``notes`` are what a person should
    look at and no gate judges."""

    fleet: str
    release: Release
    before: Release | None
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
        present = {report.machine: (sha256, report) for sha256, report in index.newest(fleet.present.number, keys)}
        before: Newest = {}
        if fleet.before is not None:
            before = {report.machine: (sha256, report) for sha256, report in index.newest(fleet.before.number, keys)}
        measured = [_measured(machine, before, present) for machine in machines]
        answers = _answers(index, machines, before, present)
        rings = judge_rings(measured, answers, first_release=fleet.before is None)
        refused, processors = tuple(index.refusals()), index.processors()
    reports = {machine: report for machine, (_, report) in present.items()}
    open_rings = [ring for ring in rings if ring.decision != "not open"]
    return FleetStatus(
        fleet=fleet.name,
        release=fleet.present,
        before=fleet.before,
        machines=len(machines),
        reported=len(reports),
        decision=open_rings[-1].decision,
        ring=open_rings[-1].name,
        rings=rings,
        classes=summarize(machines, reports, [ring.name for ring in open_rings]),
        refused=refused,
        notes=tuple(_notes(machines, reports, processors)),
    )


def _measured(machine: Machine, before: Newest, present: Newest) -> Measured:
    first, second = before.get(machine.name), present.get(machine.name)
    return Measured(machine=machine, before=first[1] if first else None, after=second[1] if second else None)


def _answers(index: Index, machines: Sequence[Machine], before: Newest, present: Newest) -> AnswerSums:
    """What changed in the answers of the machines that answered the same questions twice."""
    sums = AnswerSums()
    for machine in machines:
        first, second = before.get(machine.name), present.get(machine.name)
        if first is None or second is None or first[1].dataset != second[1].dataset:
            continue
        earlier = index.scores(first[0])
        for metric, (ids, after) in index.scores(second[0]).items():
            same, values = earlier.get(metric, ("", after))
            if same == ids and len(values) == len(after):
                sums.add(machine, metric, ids, values, after)
    return sums


def _notes(
    machines: Sequence[Machine], reports: Mapping[str, Reported], processors: Mapping[str, Sequence[str]]
) -> list[str]:
    moved = sorted(machine.name for machine in machines if len(processors.get(machine.name, ())) > 1)
    notes = []
    if moved:
        notes.append(f"reports of one key from different processors, as if it had been copied: {_some(moved)}")
    if reports and (without := sorted(report.machine for report in reports.values() if report.labels)):
        labels = sorted({label for report in reports.values() for label in report.labels})
        notes.append(f"{', '.join(labels)}: {_some(without)}")
    return notes


def _some(names: Sequence[str], most: int = 10) -> str:
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return f"{', '.join(names[:most])}{more}"
