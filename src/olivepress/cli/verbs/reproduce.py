"""``olivepress reproduce``."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption, QuietOption, RunArgument, TrustTargets

__all__ = ["reproduce"]


def reproduce(
    run: RunArgument,
    recipe: Annotated[
        Path | None, typer.Option("--recipe", metavar="FILE", help="Use this recipe instead of the recorded one.")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the folder in which it was made again.")] = False,
    trust_targets: TrustTargets = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Make the artifact of a run again, in a folder of its own, and compare.

    Names what differs, the likeliest reason first; exits with 6 when the result is another one.
    """
    from olivepress.cli.runs_text import reproduction_lines, reproduction_record
    from olivepress.core.errors import JobError
    from olivepress.pipeline.reproduce import reproduce as make_again
    from olivepress.track.runs import find_run

    found = find_run(run)

    def on_job(job: str) -> None:
        if not (quiet or as_json):
            print(f"{found.name}: {job} is made again", file=sys.stderr)

    result = make_again(found, recipe=recipe, keep=keep, trust_targets=trust_targets, on_job=on_job)
    if as_json:
        print(json.dumps(reproduction_record(result), indent=2))
    else:
        for line in reproduction_lines(result):
            print(line)
    if result.verdict == "different":
        raise JobError(f"{found.name} was not reproduced", next_step=f"compare with {result.folder}")
