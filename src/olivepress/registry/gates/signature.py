"""Artifact and reports have valid signatures of keys that this project trusts, where they are required.

A signature that does not fit its file fails in any case: somebody changed one of the two.
"""

from __future__ import annotations

from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, not_required, passed

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    if case.signed_by is not None:
        return passed(f"artifact and {len(case.signatures) - 1} reports signed with key {case.signed_by}")
    wrong = [each for each in case.signatures if each.key is None and (each.broken or case.require_signature)]
    if not wrong:
        return not_required("no signature is required")
    named = case.directory.as_posix()
    files = " ".join(named if each.file.parent == case.directory else each.file.as_posix() for each in wrong)
    return failed(
        *(f"{each.file.as_posix()}: {each.problem}" for each in wrong), next_step=f"olivepress sign {files} --key FILE"
    )
