"""The execution provider took the nodes that the target promises, on every machine."""

from __future__ import annotations

from olivepress.compare.load import Loaded
from olivepress.core.printable import printable
from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, inconclusive, not_required, passed, worst

__all__ = ["judge"]

_CPU = "CPUExecutionProvider"


def judge(case: Case) -> GateResult:
    if case.manifest.execution_provider in (None, _CPU):
        return not_required("the CPU runs every node")
    if not case.reports:
        return inconclusive("no device report of this artifact", next_step=f"olivepress bench {case.recipe.name}")
    return worst([_judge(case, item) for item in case.reports])


def _judge(case: Case, item: Loaded) -> GateResult:
    machine, placement = printable(item.report.machine.id), item.report.placement
    provider = case.manifest.execution_provider
    if item.report.emulated:
        step = "measure on the device itself: olivepress bundle"
        return failed(f"{machine}: {provider} is emulated there", next_step=step)
    if placement is None:
        step = "measure again with olivepress bench, which counts them"
        return inconclusive(f"{machine}: the nodes that {provider} took were not counted", next_step=step)
    taken, total = placement.placed
    text = f"{machine}: {taken} of {total} nodes on {placement.asked}"
    least = 1.0 if case.manifest.min_placed is None else case.manifest.min_placed
    if placement.asked == provider and placement.holds(least, case.manifest.max_cpu_nodes):
        return passed(text)
    ops = f", on the CPU: {', '.join(placement.fallback_ops)}" if placement.fallback_ops else ""
    return failed(f"{text}{printable(ops)}", next_step="olivepress doctor on that machine, or another target")
