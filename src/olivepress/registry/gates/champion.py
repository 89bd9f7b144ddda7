"""The answers are not inferior to those of the artifact in production, nor to those of the best one before it.

Each of many promotions may lose up to the margin; the second comparison limits what all of them lose together. Only
champions on the same version of the data count, and none that was rolled back.
"""

from __future__ import annotations

from olivepress.registry.case import Case, Champion
from olivepress.registry.gate import GateResult, inconclusive, not_required, passed, worst
from olivepress.registry.noninferior import judge_answers
from olivepress.report.registry import METRICS

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
    results = [judge_answers(case, champion.reports, name)]
    best = _better_earlier(case, champion)
    if best is not None:
        results.append(judge_answers(case, best.reports, f"the best champion before (version {best.version})"))
    return worst(results)


def _better_earlier(case: Case, champion: Champion) -> Champion | None:
    """The best of the earlier champions on the artifact's data, if it was better than the present one."""
    ranked = [(_value(case, each), each) for each in case.earlier if each.artifact_sha256 != case.manifest.sha256]
    known = [(value, each) for value, each in ranked if value is not None]
    if not known:
        return None
    value, best = max(known, key=lambda pair: pair[0])
    present = _value(case, champion)
    return best if present is None or value > present else None


def _value(case: Case, champion: Champion) -> float | None:
    """The mean over its machines of the metric that answers are judged by, larger for better; None where it was not
    measured on the data of the artifact."""
    data, values = case.manifest.dataset_version, list[float]()
    for report in (item.report for item in champion.reports):
        value = report.value(case.metric)
        if value is not None and report.dataset is not None and report.dataset.version == data:
            values.append(value)
    if not values:
        return None
    mean = sum(values) / len(values)
    return mean if METRICS[case.metric].higher_is_better else -mean
