"""``olivepress fleet import``."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.console import ConsoleReporter, job_progress
from olivepress.cli.options import JsonOption, QuietOption

__all__ = ["import_"]


def import_(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The folder where signed reports arrive; it is only read.")
    ],
    fleet: Annotated[
        str | None, typer.Option("--fleet", metavar="NAME", help="Which fleet; the only one when left out.")
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Import the signed reports of a folder that are new.

    It may be repeated, interrupted, and run several times at once. Exit code 10 if a file was refused now.
    """
    from olivepress.cli.fleet_text import imported_lines
    from olivepress.fleet.receive import import_folder
    from olivepress.fleet.records import read_fleet, the_only_fleet
    from olivepress.report.judgement import EXIT_CODES

    name = fleet or the_only_fleet()
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        on_progress = job_progress(reporter, "import")
        imported = import_folder(
            read_fleet(name),
            folder,
            now=datetime.now(UTC),
            on_progress=lambda done, total: on_progress(name, "reports", done, total),
        )
        reporter.end_task()
    if as_json:
        print(json.dumps(asdict(imported), indent=1))
    else:
        print("\n".join(imported_lines(imported)))
    if imported.refused:
        raise typer.Exit(EXIT_CODES["fail"])
