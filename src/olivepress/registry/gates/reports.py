"""There is a fresh device report of this very artifact from every machine that the recipe requires."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from olivepress.compare.load import Loaded
from olivepress.core.printable import printable
from olivepress.core.timestamps import parse_timestamp
from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, passed, worst

__all__ = ["judge"]

_CLOCKS = timedelta(days=1)  # by how much the clocks of two machines may differ


def judge(case: Case) -> GateResult:
    results = list(_required(case))
    results += [_judge(case, item) for item in case.reports]
    if not results:
        return failed(*_why_none(case), next_step=_bench(case))
    return worst(results)


def _required(case: Case) -> Iterator[GateResult]:
    for name in case.recipe.promote.machines:
        if not any(name in (item.report.machine.name, item.report.machine.id) for item in case.reports):
            yield failed(f"no device report of this artifact from {name}", *_others(case), next_step=_bench(case))


def _why_none(case: Case) -> Sequence[str]:
    return (f"no device report of this artifact (sha256 {case.manifest.sha256[:12]})", *_others(case))


def _others(case: Case) -> Iterator[str]:
    """Reports that are here and do not count."""
    for path, reason in case.other_reports.items():
        yield f"{path.as_posix()}: {reason}"


def _bench(case: Case) -> str:
    return f"olivepress bench {case.recipe.name} on that machine; with olivepress bundle and import on another one"


def _judge(case: Case, item: Loaded) -> GateResult:
    report, machine = item.report, printable(item.report.machine.id)
    measured, made = parse_timestamp(report.created_at), parse_timestamp(case.manifest.created_at)
    again = f"measure again: {_bench(case)}"
    if measured > case.now + _CLOCKS:
        return failed(f"{machine}: measured in the future, {_day(measured)}", next_step=f"set its clock; {again}")
    if measured < made - _CLOCKS:
        return failed(f"{machine}: measured {_day(measured)}, before the artifact was made", next_step=again)
    most = case.recipe.promote.max_report_days
    if case.now - measured > timedelta(days=most):
        return failed(f"{machine}: measured {_day(measured)}, more than {most} days ago", next_step=again)
    return passed(f"{machine}: measured {_day(measured)}")


def _day(time: datetime) -> str:
    return time.date().isoformat()
