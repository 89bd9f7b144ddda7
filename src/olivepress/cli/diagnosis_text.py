"""A diagnosis on the command line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from olivepress.core.printable import printable

if TYPE_CHECKING:
    from olivepress.train.diagnosis import Diagnosis
    from olivepress.train.finding import Change, Finding, Row, Value

__all__ = ["diagnosis_lines"]

_LEAST_NAME = 30


def diagnosis_lines(diagnosis: Diagnosis) -> Iterator[str]:
    """Each finding with its evidence and the keys to change; then what was examined, and what was not."""
    count = len(diagnosis.findings)
    noun = "finding" if count == 1 else "findings"
    yield f"{printable(diagnosis.run)}: {count or 'no'} {noun}"
    for finding in diagnosis.findings:
        yield ""
        yield from _finding_lines(finding)
    if diagnosis.findings:
        yield ""
    yield f"examined: {', '.join(diagnosis.examined) or 'nothing'}"
    for what, reason in diagnosis.missing.items():
        yield f"not examined: {what}: {printable(reason)}"


def _finding_lines(finding: Finding) -> Iterator[str]:
    yield f"{finding.kind}: {printable(finding.summary)}"
    for name, value in finding.evidence.items():
        if value is not None:
            yield f"  {name.replace('_', ' '):{_LEAST_NAME}} {_value(value)}"
    for change in finding.changes:
        yield f"  change {_change(change)}"
    for row in finding.rows:
        yield from _row_lines(row)


def _change(change: Change) -> str:
    return f"{change.key}: {_value(change.now)} -> {_value(change.to)}"


def _row_lines(row: Row) -> Iterator[str]:
    yield f"  row {printable(row.id)}, loss {row.loss:.3g}: {printable(row.prompt)}"
    suggested = f", the model: {printable(row.suggested)}" if row.suggested else ""
    yield f"    answer: {printable(row.answer)}{suggested}"


def _value(value: Value) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.4g}"
    return printable(str(value))
