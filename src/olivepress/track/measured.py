"""Device reports and pages, recorded with the run that they belong to: found by the hash of the artifact."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from olivepress.core.layout import run_records
from olivepress.core.timestamps import parse_timestamp
from olivepress.report.device_report import DeviceReport, read_report
from olivepress.report.measurement import Measurement
from olivepress.track.deliver import RECIPE
from olivepress.track.record import FOLDER_NAME, Ended, Facts, Figure, Files, Line, Measured, read_lines
from olivepress.track.writer import RunWriter, Warn, begin_run, last_run, open_run

__all__ = ["record_files", "record_report"]

REPORTS = "reports"  # the kind of a record of what no run here made


def record_report(path: Path, store: str | None, warn: Warn) -> None:
    """Add a device report to the run of its artifact, once; to a record of its own where no run here made that."""
    report = read_report(path)
    if not (re.fullmatch(FOLDER_NAME, report.recipe) and re.fullmatch(FOLDER_NAME, report.job)):
        warn(f"tracking: {path}: its recipe and job are not names of folders; it is not recorded")
        return
    line = Measured(
        at=int(parse_timestamp(report.created_at).timestamp() * 1000),
        machine=report.machine.id,
        job=report.job,
        report_sha256=report.report_sha256,
        artifact_sha256=report.artifact_sha256,
        metrics=dict(_figures(report)),
    )
    writer = _run_of(report, store, warn)
    if writer is not None and not _has(writer.path, line):
        writer.append(line)


def _figures(report: DeviceReport) -> Iterator[tuple[str, Figure]]:
    named: list[tuple[str, Mapping[str, Measurement]]] = [("", report.metrics), ("lm_eval/", report.lm_eval)]
    named += [(f"{workload.name}/", workload.metrics) for workload in report.workloads]
    for prefix, metrics in named:
        for name, each in metrics.items():
            if each.value is not None:
                yield (
                    prefix + name,
                    Figure(
                        value=each.value, unit=each.unit, ci_low=each.ci_low, ci_high=each.ci_high, n=each.n or None
                    ),
                )


def _run_of(report: DeviceReport, store: str | None, warn: Warn) -> RunWriter | None:
    untuned = report.settings.get("untuned_sha256")
    wanted = {report.artifact_sha256, *([untuned] if isinstance(untuned, str) else [])}
    made = [
        (started, path)
        for path in run_records(report.recipe)
        if (read := read_lines(path)) is not None
        for started in [read[0]]
        if any(isinstance(line, Ended) and line.sha256 in wanted for line in read[1])
    ]
    if made:
        _, path = max(made, key=lambda each: each[0].number)
        return open_run(path, warn)
    if (known := last_run(report.recipe, report.job)) is not None and _is_of_reports(known):
        return open_run(known, warn)
    own = open_run(recipe, warn) if (recipe := last_run(report.recipe, RECIPE)) else None
    facts = Facts(
        dataset=report.dataset.name if report.dataset else None,
        dataset_version=report.dataset.version if report.dataset else None,
        synthetic_data=report.synthetic_data,
        random_weights=report.random_weights,
        machine=report.machine.id,
        versions=report.machine.packages,
    )
    writer = begin_run(
        report.recipe, report.job, kind=REPORTS, store=own.started.store if own else store, warn=warn, facts=facts
    )
    if writer is not None:
        writer.append(Ended(at=writer.now(), status="finished"))
    return writer


def _is_of_reports(path: Path) -> bool:
    read = read_lines(path)
    return read is not None and read[0].kind == REPORTS


def _has(path: Path, line: Measured) -> bool:
    read = read_lines(path)
    lines: Sequence[Line | None] = read[1] if read else []
    return any(isinstance(each, Measured) and each.report_sha256 == line.report_sha256 for each in lines)


def record_files(recipe: str, files: Sequence[Path], warn: Warn) -> None:
    """Add a page and its figures to the recipe's own record; nothing where the recipe was never run."""
    path = last_run(recipe, RECIPE)
    writer = open_run(path, warn) if path else None
    if writer is not None:
        shown = tuple(each.as_posix() for each in files if not each.is_absolute())
        writer.append(Files(at=writer.now(), files=shown))
