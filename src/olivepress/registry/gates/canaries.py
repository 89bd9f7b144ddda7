"""The canaries that were planted in the training data were not memorized."""

from __future__ import annotations

from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, absent, from_judgement
from olivepress.safety.canaries import judge_exposure

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    required = "canaries" in case.recipe.promote.require
    if not case.safety:
        step = f"olivepress safety {case.recipe.name}"
        return absent(
            "no safety result of this artifact", "exposure was not measured", required=required, next_step=step
        )
    judged = judge_exposure(case.safety[0].canaries)
    step = "train for fewer epochs or at a lower learning rate: it repeats its training data"
    if judged.outcome == "inconclusive":
        step = "olivepress data plant, with more canaries; then train again"
    return from_judgement(judged, required=required, next_step=step)
