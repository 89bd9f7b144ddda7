"""An exit code has one meaning: those of errors, of judgements and of an interruption differ, and stand in the docs."""

from __future__ import annotations

import re

from olivepress.core import errors
from olivepress.core.errors import AuditError, OlivepressError, ReportError
from olivepress.report.judgement import EXIT_CODES
from tests.conftest import ROOT


def test_judgements_and_errors_have_codes_of_their_own() -> None:
    classes = [getattr(errors, name) for name in errors.__all__ if name.endswith("Error")]
    codes = {each.exit_code for each in classes if issubclass(each, OlivepressError)}
    assert dict(EXIT_CODES) == {"pass": 0, "fail": 10, "inconclusive": 11}
    assert len(codes) >= 10 and codes.isdisjoint(EXIT_CODES.values()) and 130 not in codes
    assert (AuditError.exit_code, ReportError.exit_code) == (12, 8)
    table = (ROOT / "docs/troubleshooting.md").read_text(encoding="utf-8")
    documented = [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)]
    assert sorted(documented) == sorted({*codes, *EXIT_CODES.values(), 130})
