"""There is a fresh device report of this very artifact from every machine that the recipe requires."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from olivepress.compare.load import Loaded
from olivepress.core.artifact import Manifest
from olivepress.core.printable import printable
from olivepress.core.timestamps import parse_timestamp
from olivepress.recipe.schema import Recipe
from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, passed, worst
from olivepress.report.device_report import DeviceReport

__all__ = ["is_required", "judge", "staleness"]

_CLOCKS = timedelta(days=1)  # by how much the clocks of two machines may differ


def judge(case: Case) -> GateResult:
    results = list(_required(case))
    results += [_judge(case, item) for item in case.reports]
    if not results:
        return failed(*_why_none(case), next_step=_bench(case))
    result = worst(results)
    return passed(*result.evidence, *_others(case)) if result.outcome == "pass" else result


def is_required(report: DeviceReport, recipe: Recipe) -> bool:
    """Whether the recipe requires a report of this machine."""
    return bool({report.machine.name, report.machine.id} & set(recipe.promote.machines))


def _required(case: Case) -> Iterator[GateResult]:
    for name in case.recipe.promote.machines:
        if not any(name in (item.report.machine.name, item.report.machine.id) for item in case.reports):
            yield failed(f"no device report of this artifact from {name}", *_others(case), next_step=_bench(case))


def _why_none(case: Case) -> Sequence[str]:
    return (f"no device report of this artifact (sha256 {case.manifest.sha256[:12]})", *_others(case))


def _others(case: Case) -> Iterator[str]:
    """Reports that are here and do not count."""
    for path, reason in case.other_reports.items():
        yield f"{path.as_posix()} does not count: {reason}"


def _bench(case: Case) -> str:
    return f"olivepress bench {case.recipe.name} on that machine; with olivepress bundle and import on another one"


def _judge(case: Case, item: Loaded) -> GateResult:
    report, machine = item.report, printable(item.report.machine.id)
    reason = staleness(report, case.manifest, case.now, case.recipe.promote.max_report_days)
    if not reason:
        return passed(f"{machine}: measured {_day(parse_timestamp(report.created_at))}")
    clock = "set its clock; " if reason.startswith("measured in the future") else ""
    return failed(f"{machine}: {reason}", next_step=f"{clock}measure again: {_bench(case)}")


def staleness(report: DeviceReport, manifest: Manifest, now: datetime, most_days: int) -> str:
    """Why the time of a report makes it worthless; "" for a fresh one."""
    measured, made = parse_timestamp(report.created_at), parse_timestamp(manifest.created_at)
    if measured > now + _CLOCKS:
        return f"measured in the future, {_day(measured)}"
    if measured < made - _CLOCKS:
        return f"measured {_day(measured)}, before the artifact was made"
    if now - measured > timedelta(days=most_days):
        return f"measured {_day(measured)}, more than {most_days} days ago"
    return ""


def _day(time: datetime) -> str:
    return time.date().isoformat()
