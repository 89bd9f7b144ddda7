"""The answers are not inferior to those of the full-precision model that was exported."""

from __future__ import annotations

from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, inconclusive
from olivepress.registry.noninferior import judge_answers

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    bench = f"olivepress bench {case.recipe.name}"
    if not case.parent_reports:
        name = case.manifest.parent or "its parent"
        return failed(f"no device report of {name}, which this artifact was made from", next_step=bench)
    if not case.reports:
        return inconclusive("no device report of this artifact", next_step=bench)
    return judge_answers(case, case.parent_reports, "the full-precision parent")
