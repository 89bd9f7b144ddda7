"""``olivepress import``."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.options import one_line_name
from olivepress.core.errors import UsageError
from olivepress.core.layout import RESULTS

__all__ = ["import_"]


def import_(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A device's report, or a result of llama-bench, optimum-benchmark, MLPerf Client or Olive.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Where to write the reports.")] = RESULTS,
    recipe: Annotated[
        str | None,
        typer.Option("--recipe", help="The recipe name in reports of another tool; 'imported' by default."),
    ] = None,
    job: Annotated[
        str | None,
        typer.Option("--job", help="The job name in reports of another tool; its file's name by default."),
    ] = None,
    machine_name: Annotated[
        str | None,
        typer.Option("--machine-name", metavar="NAME", help="What pages call the machine in reports of another tool."),
    ] = None,
) -> None:
    """Import the report of a device, or the results of another tool.

    A device's report is verified. Metrics that the results of other tools lack are null, with the reason.
    """
    from olivepress.bundle import is_device_report

    if is_device_report(file):
        if recipe or job or machine_name:
            raise UsageError("--recipe, --job and --machine-name are for results of other tools: a report has its own")
        _import_device_report(file, out)
        return
    _import_results(file, out, recipe, job, one_line_name(machine_name))


def _import_device_report(file: Path, out: Path) -> None:
    from olivepress.bundle import import_report
    from olivepress.pipeline.tracking import track_results

    received = import_report(file, out=out)
    print(f"{received.path}: replaces that of {received.replaced}" if received.replaced else received.path)
    if not received.answers:
        print("without answers: accuracy cannot be compared example by example", file=sys.stderr)
    track_results(reports=[received.path])


def _import_results(file: Path, out: Path, recipe: str | None, job: str | None, machine_name: str | None) -> None:
    """Write the reports of another tool's results; a report of olivepress bench is never replaced by one."""
    from olivepress.core.names import slug
    from olivepress.measure.importers import import_results
    from olivepress.pipeline.tracking import track_results
    from olivepress.report.device_report import read_report, write_report

    paths = []
    name = slug(job or file.stem)
    reports = import_results(
        file, recipe=slug(recipe or "imported"), job=name, now=lambda: datetime.now(UTC), machine_name=machine_name
    )
    unique = len({report.job for report in reports}) == len(reports)
    for number, report in enumerate(reports):
        stem = slug(report.job) if unique else f"{slug(report.job)}-{number}"
        path = out / slug(report.machine.id) / report.recipe / f"{stem}.json"
        if path.is_file() and "imported_from" not in read_report(path).settings:
            raise UsageError(f"{path}: a report of olivepress bench", next_step="choose another --recipe or --job")
        write_report(report, path)
        print(path)
        paths.append(path)
    track_results(reports=paths)
