"""``olivepress diagnose``."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.console import ConsoleReporter
from olivepress.cli.options import JsonOption, QuietOption, RunArgument

__all__ = ["diagnose"]


def diagnose(
    run: RunArgument,
    rows: Annotated[
        int | None,
        typer.Option(
            "--rows", min=0, metavar="N", help="Also compute the loss of N training rows, to find wrong labels; 0: all."
        ),
    ] = None,
    text: Annotated[
        Path | None,
        typer.Option("--text", metavar="FILE", help="Also measure what was forgotten: perplexity before and after."),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find out what went wrong in a fine-tune, and which keys of the recipe to change.

    Reads the record of the run, its rows and its artifact; changes nothing.
    """
    from olivepress.cli.diagnosis_text import diagnosis_lines
    from olivepress.pipeline.training.diagnose import diagnose as diagnose_run

    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        reporter.checking(f"{run}: diagnose")
        diagnosis = diagnose_run(
            run, rows=rows, text=text, progress=lambda done, total: reporter.update(f"{done} of {total}", done, total)
        )
        reporter.end_task()
    if as_json:
        print(json.dumps(asdict(diagnosis), indent=2, ensure_ascii=False))
        return
    for line in diagnosis_lines(diagnosis):
        print(line)
