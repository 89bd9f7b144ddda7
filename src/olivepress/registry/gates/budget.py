"""Every hard limit of the recipe's budget holds on every machine that was measured."""

from __future__ import annotations

from olivepress.compare.limits import check_limits
from olivepress.compare.rows import rows_of
from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, inconclusive, not_required, passed, worst
from olivepress.registry.gates.gain import KEY as GAIN

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    limits = {key: value for key, value in case.limits.items() if key != GAIN}
    if not limits:
        return not_required("the recipe sets no limit for this target")
    if not case.reports:
        return inconclusive("no device report of this artifact", next_step=f"olivepress bench {case.recipe.name}")
    results = list[GateResult]()
    for row in rows_of(case.reports):
        for check in check_limits(row, {"all": limits}):
            text = f"{row.machine}: {check.text}"
            if check.holds:
                results.append(passed(text))
            elif check.holds is None:
                step = "measure it there, with more examples or rounds"
                results.append(inconclusive(text, next_step=step, n=check.needed))
            else:
                results.append(failed(text, next_step="choose a smaller target, or change the budget"))
    return worst(results)
