"""The artifact has a valid signature of a key that this project trusts, where one is required."""

from __future__ import annotations

from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, not_required, passed

__all__ = ["judge"]


def judge(case: Case) -> GateResult:
    if case.signed_by is not None:
        return passed(f"signed with key {case.signed_by}")
    if not case.require_signature:
        return not_required(case.signature_problem or "no signature is required")
    step = f"olivepress sign {case.directory.as_posix()} --key FILE"
    return failed(case.signature_problem or "it is not signed", next_step=step)
