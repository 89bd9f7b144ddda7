"""``olivepress runs list``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption

__all__ = ["list_"]


def list_(
    recipe: Annotated[str | None, typer.Argument(metavar="RECIPE", help="Only the runs of this recipe.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List the runs of jobs, with their status and last loss or first metric."""
    from olivepress.cli.runs_text import list_lines, run_record
    from olivepress.track.runs import all_runs

    runs = [run for run in all_runs() if recipe in (None, run.started.recipe)]
    if as_json:
        print(json.dumps([run_record(run) for run in runs], indent=2))
        return
    for line in list_lines(runs):
        print(line)
