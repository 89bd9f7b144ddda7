"""Nothing synthetic and no random weights, unless the recipe allows them."""

from __future__ import annotations

from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, passed

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    reports = [item.report for item in case.reports]
    present = {
        "synthetic data": case.manifest.synthetic_data or any(report.synthetic_data for report in reports),
        "random weights": case.manifest.random_weights or any(report.random_weights for report in reports),
    }
    allowed = case.recipe.promote.allow
    wrong = [name for name, is_there in present.items() if is_there and name not in allowed]
    if wrong:
        step = f"use real data and a real model, or set promote.allow: [{', '.join(wrong)}] in the recipe"
        return failed(*(f"{name}: it says nothing about real use" for name in wrong), next_step=step)
    named = [name for name, is_there in present.items() if is_there]
    if named:
        return passed(f"{' and '.join(named)}, which the recipe allows")
    return passed("real data and real weights")
