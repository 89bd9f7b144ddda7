"""``olivepress audit``."""

from __future__ import annotations

import json
from dataclasses import asdict

from olivepress.cli.options import JsonOption

__all__ = ["audit"]


def audit(as_json: JsonOption = False) -> None:
    """Verify the audit logs of all promotions against the registry, and say where one was cut or changed.

    Exit code 0: all are whole; 12: one was cut or changed, does not agree with the registry, or what a promotion was
    decided from is missing; 7: the registry does not answer.
    """
    from olivepress.cli.promotion_text import audit_lines
    from olivepress.core.errors import AuditError
    from olivepress.core.messages import counted
    from olivepress.pipeline.promote import audit_all

    found = audit_all()
    if as_json:
        print(json.dumps([asdict(each) for each in found], indent=2))
    else:
        for line in audit_lines(found):
            print(line)
    wrong = [each for each in found if each.problems]
    if wrong:
        problems = counted(sum(len(each.problems) for each in wrong), "problem")
        raise AuditError(
            f"audit: {problems}", next_step="git pull, or restore the folder registry/ (git log -p -- registry)"
        )
