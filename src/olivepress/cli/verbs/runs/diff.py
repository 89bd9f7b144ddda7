"""``olivepress runs diff``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption, RunArgument

__all__ = ["diff"]


def diff(
    a: RunArgument,
    b: RunArgument,
    page: Annotated[Path | None, typer.Option("--page", metavar="FILE", help="Also write it as an HTML page.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Compare two runs: what changed in what went in, then every number of both.

    Recipe keys, seeds, rows of the data, package versions, code and machine.
    """
    from olivepress.cli.runs_text import diff_lines, difference_record
    from olivepress.core.files import write_text
    from olivepress.track.difference import compare_runs
    from olivepress.track.difference_page import difference_page
    from olivepress.track.runs import find_run

    difference = compare_runs(find_run(a), find_run(b))
    if page is not None:
        write_text(page, difference_page(difference))
    if as_json:
        print(json.dumps(difference_record(difference), indent=2))
        return
    for line in diff_lines(difference):
        print(line)
