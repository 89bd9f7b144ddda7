"""The base model was measured on the same data, as it is and prompted with examples."""

from __future__ import annotations

from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, passed

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    required = ["base"]
    if case.recipe.benchmark.few_shot:
        required.append("few-shot")
    measured = {item.report.job for item in case.baselines}
    missing = [job for job in required if job not in measured]
    if missing:
        data = case.manifest.dataset_version[:12]
        return failed(
            f"no device report of {' and '.join(missing)} on the data of this artifact ({data})",
            next_step=f"olivepress bench {case.recipe.name}",
        )
    return passed(f"{' and '.join(required)} measured on the same data")
