"""What a promotion was decided from, kept beside the audit log: reports with their answers, manifest, gates.

The reports of the next artifact replace those of this one in ``benchmarks/results``; the next promotion is compared
with what is kept here.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from olivepress.compare.load import Loaded, load
from olivepress.core.artifact import artifact_hash, hash_file, read_manifest
from olivepress.core.errors import AuditError, JobError, ReportError
from olivepress.core.files import copy_file, new_directory, write_text
from olivepress.core.layout import REGISTRY, promotion_log, promotion_records
from olivepress.registry.audit_log import LogLine
from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult
from olivepress.report.device_report import read_report

__all__ = ["keep_records", "records_hash", "records_of", "remove_records_after", "reports_of"]

_REPORTS = "reports"


def keep_records(case: Case, gates: Sequence[GateResult], folder: Path) -> str:
    """Write the folder in one step; its hash.

    JobError where the artifact, a report or its answers are not those any more that the gates judged: what is kept is
    what was judged.
    """
    with new_directory(folder) as partial:
        _check_artifact(case)
        for number, item in enumerate(case.reports):
            if item.report.source is not None:
                _copy(item.report.source, item, partial / _REPORTS / f"{number}")
        write_text(partial / "artifact.json", _json(case.manifest.model_dump(mode="json")))
        write_text(partial / "gates.json", _json([asdict(gate) for gate in gates]))
    return records_hash(folder)


def _check_artifact(case: Case) -> None:
    try:
        present = read_manifest(case.directory)
    except ReportError:
        raise _changed(case.directory) from None
    if present != case.manifest:
        raise _changed(case.directory)


def _copy(source: Path, judged: Loaded, folder: Path) -> None:
    """The report and the answers that were judged, each checked in the copy."""
    report = judged.report
    examples: Path | None = None
    if report.examples_file is not None and judged.scores is not None:
        examples = source.with_name(report.examples_file)
    for path in (source, examples):
        if path is not None and not path.is_file():
            raise _changed(path)
        if path is not None:
            copy_file(path, folder / path.name)
    if _hash_of(folder / source.name) != report.report_sha256:
        raise _changed(source)
    if examples is not None and hash_file(folder / examples.name).sha256 != report.examples_sha256:
        raise _changed(examples)


def _hash_of(report: Path) -> str:
    """The hash that a report names, of its own content; "" for what is no report."""
    try:
        return read_report(report).report_sha256
    except ReportError:
        return ""


def _changed(path: Path) -> JobError:
    return JobError(
        f"{path.as_posix()}: was written again while the gates judged it; nothing was promoted",
        next_step="the same command again, which judges what is there now",
    )


def _json(value: object) -> str:
    return json.dumps(value, indent=1, sort_keys=True) + "\n"


def records_of(line: LogLine) -> Path:
    """The folder that belongs to a line of the log."""
    return promotion_records(line.model, line.number, line.artifact_sha256)


def records_hash(folder: Path) -> str:
    """Over names and contents of all its files, whatever they are called; that of no files where it is not there."""
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return artifact_hash({path.relative_to(folder).as_posix(): hash_file(path) for path in paths})


def reports_of(line: LogLine) -> tuple[Loaded, ...]:
    """The device reports that a version was promoted with; none where they are not here. ReportError as ``load``,
    AuditError where the folder is not the one that the line of the log names: nothing is compared with what somebody
    changed."""
    folder = records_of(line)
    paths = sorted(folder.glob(f"{_REPORTS}/*/*.json"))
    if folder.is_dir() and records_hash(folder) != line.records_sha256:
        raise AuditError(
            f"{folder.as_posix()}: was changed; line {line.number} of {promotion_log(line.model)} was decided from it",
            next_step=f"git checkout {folder.as_posix()}, or remove the folder",
        )
    return tuple(load(paths)) if paths else ()


def remove_records_after(model: str, last: int) -> None:
    """Remove what an interrupted promotion left: records of no line of the log."""
    for folder in (REGISTRY / model).glob("[0-9][0-9][0-9][0-9]*-*"):
        number = folder.name.partition("-")[0]
        if number.isdigit() and int(number) > last:
            shutil.rmtree(folder, ignore_errors=True)
