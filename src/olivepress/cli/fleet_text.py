"""What the verbs of a fleet print."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from olivepress.core.layout import fleet_dir
from olivepress.core.messages import counted, some_of
from olivepress.core.printable import printable

if TYPE_CHECKING:
    from olivepress.fleet.classes import DeviceClass, MetricSummary
    from olivepress.fleet.create import Created
    from olivepress.fleet.receive import Imported
    from olivepress.fleet.status import FleetStatus

__all__ = ["created_lines", "imported_lines", "status_lines"]

_MOST_REFUSED = 20
_SHOWN = ("exact_match", "decode_tps", "ttft_ms", "peak_memory_bytes")


def created_lines(created: Created) -> Iterator[str]:
    """Of ``fleet init``."""
    fleet = created.fleet
    rings = Counter(machine.ring for machine in created.machines)
    yield f"{fleet.folder}: {counted(len(created.machines), 'machine')}, {len(created.added):,} new"
    yield f"rings: {', '.join(f'{name} {count:,}' for name, count in sorted(rings.items(), key=lambda each: each[1]))}"
    state = "new" if created.released else "as before"
    yield f"release {fleet.present.number}: {fleet.present.bundle}, sha256 {fleet.present.bundle_sha256} ({state})"
    if created.released and len(fleet.releases) > 1 and fleet.releases[-2].stopped:
        yield f"release {fleet.releases[-2].number} was stopped: nothing is compared with it"
    if created.keyed:
        keys = counted(len(created.keyed), "secret key")
        yield f"{keys} in {fleet.folder / 'secrets'}: carry each to its machine, then delete the folder"
    yield f"next: on each machine olivepress bench {fleet.present.bundle} --key MACHINE.key, see docs/fleet.md"


def imported_lines(imported: Imported) -> Iterator[str]:
    """Of ``fleet import``."""
    yield (
        f"{counted(imported.files, 'report')}: {imported.new:,} new, {imported.unchanged:,} read before, "
        f"{len(imported.refused):,} refused"
    )
    for refusal in imported.refused[:_MOST_REFUSED]:
        yield f"  refused: {printable(refusal.path)}: {refusal.kind}: {printable(refusal.reason)}"
    if len(imported.refused) > _MOST_REFUSED:
        yield f"  and {len(imported.refused) - _MOST_REFUSED:,} more, see olivepress fleet status --json"
    yield "next: olivepress fleet status"


def status_lines(status: FleetStatus) -> Iterator[str]:
    """Of ``fleet status``."""
    yield f"fleet {status.fleet}, release {status.release.number}: {status.release.bundle}"
    yield f"{status.reported:,} of {counted(status.machines, 'machine')} have reported"
    for ring in status.rings:
        yield f"  {ring.name}: {ring.reported:,} of {ring.machines:,}: {ring.decision}"
        yield from (f"    {printable(reason)}" for reason in ring.reasons)
    for each in status.classes:
        yield from _class_lines(each)
    if status.refused:
        kinds = ", ".join(f"{kind} {count:,}" for kind, count in status.refused_by_kind.items())
        yield f"refused files: {kinds}"
    for note in status.notes:
        yield f"note: {printable(note)}"
    yield f"{status.decision}: {_meaning(status)}"


def _class_lines(each: DeviceClass) -> Iterator[str]:
    from olivepress.fleet.page import quantile_text
    from olivepress.report.registry import METRICS
    from olivepress.report.values import format_value

    yield f"  {printable(each.name)}: {each.reported:,} of {counted(each.machines, 'machine')}, {each.due:,} due"
    outliers = []
    for summary in each.metrics:
        metric = METRICS[summary.metric]
        if summary.metric in _SHOWN:
            yield f"    {metric.title}: {quantile_text(metric.unit, summary.median)}{_spread(summary)}"
            outliers += [
                f"{outlier.machine} ({metric.title} {format_value(metric.unit, outlier.value)})"
                for outlier in summary.outliers
            ]
    if outliers:
        yield f"    outliers: {some_of(outliers)}"


def _spread(summary: MetricSummary) -> str:
    """Where 80 % of the machines lie, if there are enough to say."""
    from olivepress.report.registry import METRICS
    from olivepress.report.values import format_value

    low, high = summary.quantiles["p10"], summary.quantiles["p90"]
    if low.ci_low is None or high.ci_low is None:
        return ""
    unit = METRICS[summary.metric].unit
    return f", 80 % from {format_value(unit, low.value)} to {format_value(unit, high.value)}"


def _meaning(status: FleetStatus) -> str:
    """What the decision says to do."""
    if status.decision == "stop":
        return "do not give the release to any more machines"
    names = [ring.name for ring in status.rings]
    if status.decision == "hold":
        return f"the release is for {' and '.join(status.open_to)} until this is decided"
    if status.ring == names[-1]:
        return "every ring has the release, and none is worse"
    machines = fleet_dir(status.fleet) / "machines.csv"
    return f"give the release to the machines of ring {status.open_to[-1]} in {machines}"
