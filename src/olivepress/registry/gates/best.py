"""What ``compare`` decides to ship is this artifact: on every machine, of all present artifacts of the recipe.

It is computed from the device reports each time. A tag that somebody set in MLflow is not read.
"""

from __future__ import annotations

from collections.abc import Sequence

from olivepress.core.printable import printable
from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, absent, passed, worst

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    required = "best" in case.recipe.promote.require
    machines = {item.report.machine.id for item in case.reports}
    results = [
        _judge(case, machine, jobs, required=required) for machine, jobs in case.shipped.items() if machine in machines
    ]
    if results:
        return worst(results)
    missing, step = "no decision of compare about this artifact", f"olivepress bench {case.recipe.name}"
    return absent(missing, "nothing was compared", required=required, next_step=step)


def _judge(case: Case, machine: str, jobs: Sequence[str], *, required: bool) -> GateResult:
    named, others = printable(machine), ", ".join(job for job in jobs if job != case.manifest.job)
    if case.manifest.job in jobs:
        return passed(f"{named}: compare {f'does not distinguish it from {others}' if others else 'ships it'}")
    text = f"{named}: compare ships {others or 'nothing'}"
    step = f"olivepress report {case.recipe.name}, which says why; promote what it ships"
    return absent(text, text, required=required, next_step=step)
