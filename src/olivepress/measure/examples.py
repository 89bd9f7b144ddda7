"""The answers beside a report, one JSON line per example, so that reports can be paired later."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from olivepress.errors import ReportError
from olivepress.measure.report import DeviceReport, write_text
from olivepress.measure.task_metrics import Example

__all__ = ["forget_old_examples", "read_outcomes", "write_examples"]


def write_examples(examples: Sequence[Example], report: Path) -> tuple[str, str]:
    """Write ``<stem>.<start of its sha256>.examples.jsonl`` beside ``report``; returns its name and sha256.

    Named by its content: until the new report is there, the old one keeps its own examples.
    """
    lines = [
        json.dumps({
            "id": e.id,
            "output": e.output,
            "expected": e.expected,
            "correct": e.correct,
            "label": e.label,
            "scored_label": e.scored_label,
        })
        for e in examples
    ]  # fmt: skip
    text = "".join(line + "\n" for line in lines)
    sha256 = hashlib.sha256(text.encode("utf-8")).hexdigest()
    path = report.with_name(f"{report.stem}.{sha256[:12]}.examples.jsonl")
    write_text(path, text)
    return path.name, sha256


def forget_old_examples(report: DeviceReport) -> None:
    """Remove examples beside a written report that were those of the report it replaced."""
    if report.source is None:
        return
    own = re.compile(rf"{re.escape(report.source.stem)}\.[0-9a-f]{{12}}\.examples\.jsonl")
    for file in report.source.parent.iterdir():
        if own.fullmatch(file.name) and file.name != report.examples_file:
            file.unlink(missing_ok=True)


def read_outcomes(report: DeviceReport) -> Mapping[str, bool] | None:
    """id → correct from the examples file beside the report; None when it did not travel along.

    ReportError when it is there and is not the one the report was written with.
    """
    if report.source is None or report.examples_file is None:
        return None
    path = report.source.with_name(report.examples_file)
    if not path.is_file():
        return None
    again = "measure again with olivepress bench"
    data = path.read_bytes()
    if hashlib.sha256(data).hexdigest() != report.examples_sha256:
        raise ReportError(f"{path}: does not match its report: changed after it was measured", next_step=again)
    try:
        examples = [json.loads(line) for line in data.decode("utf-8").split("\n") if line.strip()]
        return {str(example["id"]): bool(example["correct"]) for example in examples}
    except (ValueError, KeyError, TypeError) as error:
        raise ReportError(f"{path}: not a file of examples ({error})", next_step=again) from error
