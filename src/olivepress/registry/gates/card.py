"""A model card of this very artifact is written, without holes."""

from __future__ import annotations

from olivepress.card.lint import judge_card
from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, from_judgement, not_required

__all__ = ["judge"]

_SHOWN = 12  # characters of the artifact's sha256 in its card


def judge(case: Case) -> GateResult:
    if "card" not in case.recipe.promote.require:
        return not_required("the recipe does not require a model card")
    step = f"olivepress card {case.directory.as_posix()}"
    sha256 = case.manifest.sha256[:_SHOWN]
    if case.card is not None and sha256 not in case.card:
        text = f"the model card is of another artifact: it does not name this one's sha256, {sha256}"
        return failed(text, next_step=f"{step} --force, and complete it again")
    if case.card is not None:
        step += "; complete it by hand"
    return from_judgement(judge_card(case.card), required=True, next_step=step)
