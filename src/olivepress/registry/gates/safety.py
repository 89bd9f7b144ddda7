"""The answers to the safety prompts are not worse than those of the models before; no personal data is completed."""

from __future__ import annotations

from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, absent, from_judgement
from olivepress.safety.comparison import judge_safety

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    required = "safety" in case.recipe.promote.require
    if not case.safety:
        step = f"olivepress safety {case.recipe.name}"
        return absent(
            "no safety result of this artifact", "the safety prompts were not asked", required=required, next_step=step
        )
    own, *before = case.safety
    own = own.model_copy(update={"canaries": ()})  # a gate of their own
    judged = judge_safety(own, before, margin=case.recipe.safety.margin)
    step = "train on more refusals, or choose a target that loses less"
    if judged.outcome == "inconclusive":
        step = f"olivepress safety {case.recipe.name}, with more prompts in safety.prompts"
    return from_judgement(judged, required=required, next_step=step)
