"""Nothing synthetic and no random weights, unless the recipe allows them.

The manifest has what the artifact inherited: from an adapter that was trained further, or from a model of this project
that it goes on from.
"""

from __future__ import annotations

from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, passed

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    manifests, reports = (case.manifest, *case.parents), [item.report for item in case.reports]
    synthetic = [each.synthetic_data for each in manifests] + [each.synthetic_data for each in reports]
    random = [each.random_weights for each in manifests] + [each.random_weights for each in reports]
    present = {"synthetic data": any(synthetic), "random weights": any(random)}
    allowed = case.recipe.promote.allow
    wrong = [name for name, is_there in present.items() if is_there and name not in allowed]
    if wrong:
        step = f"use real data and a real model, or set promote.allow: [{', '.join(wrong)}] in the recipe"
        return failed(*(f"{name}: it says nothing about real use" for name in wrong), next_step=step)
    named = [name for name, is_there in present.items() if is_there]
    if named:
        return passed(f"{' and '.join(named)}, which the recipe allows")
    return passed("real data and real weights")
