"""The answers that the artifact gave in use raise no alert."""

from __future__ import annotations

from olivepress.monitor.report import judge_monitor
from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, from_judgement, not_required

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    if case.use is None:
        return not_required("the recipe names no log of answers in use")
    judged = judge_monitor(case.use)
    step = f"olivepress monitor {' '.join(case.recipe.promote.logs)} --data {case.manifest.dataset}"
    if judged.outcome == "inconclusive":
        step = "log more answers of it, each with the artifact's sha256 in the key artifact"
    return from_judgement(judged, required=True, next_step=step)
