"""``olivepress runs show``."""

from __future__ import annotations

import json

from olivepress.cli.options import JsonOption, RunArgument

__all__ = ["show"]


def show(run: RunArgument, as_json: JsonOption = False) -> None:
    """Show one run: what went in, and every number that came out."""
    from olivepress.cli.runs_text import run_record, show_lines
    from olivepress.track.runs import find_run

    found = find_run(run)
    if as_json:
        print(json.dumps(run_record(found), indent=2))
        return
    for line in show_lines(found):
        print(line)
