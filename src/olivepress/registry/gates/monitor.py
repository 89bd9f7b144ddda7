"""The answers that the artifact gave in use raise no alert."""

from __future__ import annotations

from olivepress.monitor.report import judge_monitor
from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, from_judgement, inconclusive, not_required

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    if not case.recipe.promote.logs:
        return not_required("the recipe names no log of answers in use")
    if case.use_error is not None:
        raise case.use_error
    more = "log more answers of it, each with the artifact's sha256 in the key artifact"
    if case.use is None:
        logs, sha256 = ", ".join(case.recipe.promote.logs), case.manifest.sha256[:12]
        return inconclusive(f"no answer of this artifact (sha256 {sha256}) in {logs}", next_step=more)
    judged = judge_monitor(case.use)
    step = f"olivepress monitor {' '.join(case.recipe.promote.logs)} --data {case.manifest.dataset}"
    if judged.outcome == "inconclusive":
        step = more
    return from_judgement(judged, required=True, next_step=step)
