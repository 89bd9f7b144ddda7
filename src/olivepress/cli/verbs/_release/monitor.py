"""``olivepress monitor``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from olivepress.cli.console import ConsoleReporter, job_progress
from olivepress.cli.options import JsonOption, QuietOption
from olivepress.core.printable import printable

if TYPE_CHECKING:
    from olivepress.monitor.report import MonitorReport
    from olivepress.report.judgement import Judgement

__all__ = ["monitor"]


def monitor(
    files: Annotated[list[Path], typer.Argument(metavar="LOG...", help="Answers as JSON lines, oldest file first.")],
    data: Annotated[
        str | None, typer.Option("--data", metavar="DATASET", help="The prepared dataset that was trained on.")
    ] = None,
    parent: Annotated[
        Path | None,
        typer.Option(
            "--parent", metavar="ARTIFACT", help="An artifact to ask for agreement, such as the merged model."
        ),
    ] = None,
    sample: Annotated[int, typer.Option("--sample", min=1, max=10_000, help="Prompts to ask the parent.")] = 50,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=1, max=100_000, help="Most tokens of an answer of the parent.")
    ] = 256,
    limits: Annotated[
        Path | None, typer.Option("--limits", metavar="FILE", help="A YAML file with limits other than the default.")
    ] = None,
    refusals: Annotated[
        Path | None, typer.Option("--refusals", metavar="FILE", help="Phrases of refusals, one a line, in addition.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write the page there.")] = None,
    to_label: Annotated[
        Path | None,
        typer.Option("--to-label", metavar="FILE", help="Write the prompts that training has least there, to answer."),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Measure the answers that an application has logged.

    Format, length, variety, refusals, agreement with the parent, drift of the prompts. Exit code 10 with an alert,
    11 when that cannot be told.
    """
    from olivepress.monitor.report import judge_monitor
    from olivepress.pipeline.release.monitor import monitor as measure
    from olivepress.report.judgement import EXIT_CODES

    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        report = measure(
            files,
            data=data,
            parent=parent,
            sample=sample,
            max_tokens=max_tokens,
            limits=limits,
            refusals=refusals,
            out=out,
            to_label=to_label,
            on_progress=job_progress(reporter, "ask"),
        )
    judged = judge_monitor(report)
    if as_json:
        print(json.dumps({"judgement": asdict(judged), **asdict(report)}, indent=1))
    else:
        _print(report, judged, out)
    if code := EXIT_CODES[judged.outcome]:
        raise typer.Exit(code)


def _print(report: MonitorReport, judged: Judgement, out: Path | None) -> None:
    from olivepress.monitor.report import shown

    print(f"{report.n:,} answers" + (f" from {report.begin} to {report.end}" if report.begin else ""))
    for each in report.measures:
        print(f"  {each.title}: {shown(each)}, n={each.n}: {each.alert or 'no limit'}")
    if report.drift is not None and report.drift.words:
        print(f"  new in prompts: {printable(', '.join(report.drift.words))}")
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"{judged.outcome}: {judged.evidence}")
    if out is not None:
        print(f"page: {out}")
