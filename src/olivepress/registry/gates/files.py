"""Every file of the artifact is the one that its manifest names."""

from __future__ import annotations

from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, passed

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    if case.changed_files:
        texts = [f"{(case.directory / name).as_posix()}: changed or missing" for name in case.changed_files[:5]]
        return failed(*texts, next_step=f"olivepress run {case.recipe.name}, which makes it again")
    return passed(f"{len(case.manifest.files)} files, sha256 {case.manifest.sha256[:12]}")
