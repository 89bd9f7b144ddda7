"""The export was compared with its parent when it was built, and passed every check."""

from __future__ import annotations

from olivepress.core.messages import counted
from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, inconclusive, passed

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    manifest, again = case.manifest, f"olivepress run {case.recipe.name}"
    wrong = [check for check in manifest.checks if not check.passed]
    if wrong:
        texts = [f"{check.name}: {check.detail or 'did not pass'}" for check in wrong]
        return failed(*texts, next_step=again)
    if not manifest.checks:
        return failed("its manifest has no checks", next_step=again)
    if manifest.verified == "structure":
        text = f"only its structure was checked: {manifest.execution_provider} did not run where it was built"
        return inconclusive(text, next_step=f"{again} on a machine that runs it")
    return passed(f"{counted(len(manifest.checks), 'check')} passed, verified: {manifest.verified}")
