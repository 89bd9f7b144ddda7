"""``olivepress runs diff``."""

from __future__ import annotations

import json

from olivepress.cli.options import JsonOption, RunArgument

__all__ = ["diff"]


def diff(a: RunArgument, b: RunArgument, as_json: JsonOption = False) -> None:
    """Compare two runs: what changed in what went in, then every number of both.

    Recipe keys, seeds, rows of the data, package versions, code and machine.
    """
    from olivepress.cli.runs_text import diff_lines, difference_record
    from olivepress.track.difference import compare_runs
    from olivepress.track.runs import find_run

    difference = compare_runs(find_run(a), find_run(b))
    if as_json:
        print(json.dumps(difference_record(difference), indent=2))
        return
    for line in diff_lines(difference):
        print(line)
