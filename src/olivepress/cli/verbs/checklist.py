"""``olivepress checklist``."""

from __future__ import annotations

import json
from dataclasses import asdict

from olivepress.cli.options import JsonOption, RunArgument

__all__ = ["checklist"]


def checklist(run: RunArgument, as_json: JsonOption = False) -> None:
    """Print the reproducibility checklist of a run: what was recorded, and what is missing.

    Data and its split, base model, seeds, versions, hardware, determinism, baseline, metrics, commit.
    """
    from olivepress.cli.runs_text import checklist_lines
    from olivepress.track.checklist import checklist as items_of
    from olivepress.track.runs import find_run

    found = find_run(run)
    items = items_of(found)
    if as_json:
        print(json.dumps({"run": found.name, "items": [asdict(item) for item in items]}, indent=2))
        return
    for line in checklist_lines(found.name, items):
        print(line)
