"""The present base model was measured on the same data, as it is and prompted with examples."""

from __future__ import annotations

from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, inconclusive, passed

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    required = ["base"]
    if case.recipe.benchmark.few_shot:
        required.append("few-shot")
    measured = {item.report.job for item in case.baselines}
    missing = [job for job in required if job not in measured]
    if missing:
        data = case.manifest.dataset_version[:12]
        others = (f"{path.as_posix()} does not count: {reason}" for path, reason in case.other_baselines.items())
        return failed(
            f"no device report of {' and '.join(missing)} on the data of this artifact ({data})",
            *others,
            next_step=f"olivepress bench {case.recipe.name}",
        )
    if case.base_sha256 is None:
        return inconclusive(
            f"the files of the base model {case.recipe.model.path} are not here, so that it cannot be checked that "
            "it is the one that was measured",
            next_step=f"olivepress run {case.recipe.name}, which fetches it, or promote where they are",
        )
    return passed(f"{' and '.join(required)} measured on the same data, of the base model {case.base_sha256[:12]}")
