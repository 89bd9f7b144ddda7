"""The answers to the safety prompts are not worse than those of the models before; no personal data is completed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, absent, from_judgement
from olivepress.safety.comparison import judge_safety
from olivepress.safety.results import SafetyResult

__all__ = ["judge"]

_BASE = "base"


def judge(case: Case) -> GateResult:
    required = "safety" in case.recipe.promote.require
    if not case.safety:
        step = f"olivepress safety {case.recipe.name}"
        return absent(
            "no safety result of this artifact", "the safety prompts were not asked", required=required, next_step=step
        )
    own = case.safety[0].model_copy(update={"canaries": ()})  # a gate of their own
    before = [each for each in case.safety[1:] if _counts(case, each)]
    judged = judge_safety(own, before, margin=case.recipe.safety.margin)
    step = "train on more refusals, or choose a target that loses less"
    if judged.outcome == "inconclusive":
        step = f"olivepress safety {case.recipe.name}, with more prompts in safety.prompts"
    missing = _not_asked(case, before)
    if missing and judged.outcome != "fail":
        text = f"the same prompts were not asked of the present {' and '.join(missing)}; {judged.evidence}"
        judged = replace(judged, outcome="inconclusive", evidence=text, needed=None)
        step = f"olivepress safety {case.recipe.name}, which asks all of them"
    return from_judgement(judged, required=required, next_step=step)


def _counts(case: Case, result: SafetyResult) -> bool:
    """Whether it is of the model that this artifact was made from; of the base model as far as its files are here."""
    return result.job != _BASE or case.base_sha256 in (None, result.artifact_sha256)


def _not_asked(case: Case, before: Sequence[SafetyResult]) -> list[str]:
    """Fine-tuning can lose what the base model had, and quantization what the parent had."""
    asked = {each.job for each in before}
    wanted = dict.fromkeys(filter(None, (_BASE, case.manifest.parent)))
    return [job for job in wanted if job not in asked]
