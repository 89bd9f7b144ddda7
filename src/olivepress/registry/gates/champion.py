"""The answers are not inferior to those of the artifact that is in production."""

from __future__ import annotations

from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, inconclusive, not_required, passed
from olivepress.registry.noninferior import judge_answers

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    champion = case.champion
    if champion is None:
        return not_required("there is no champion yet")
    if champion.artifact_sha256 == case.manifest.sha256:
        return passed("it is the artifact of the champion itself")
    name = f"the champion (version {champion.version})"
    if not champion.reports:
        step = "get the folder registry/ of the project that promoted it (git pull)"
        return inconclusive(f"the device reports of {name} are not here", next_step=step)
    if not case.reports:
        return inconclusive("no device report of this artifact", next_step=f"olivepress bench {case.recipe.name}")
    return judge_answers(case, champion.reports, name)
