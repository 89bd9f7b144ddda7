"""``olivepress fleet status``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption

__all__ = ["status"]


def status(
    fleet: Annotated[
        str | None, typer.Option("--fleet", metavar="NAME", help="Which fleet; the only one when left out.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show coverage, classes, outliers, refused files, and whether the rollout may go on; write the page.

    Exit code 0: the next ring may have the release, or all have it; 10: stop, a metric is worse; 11: hold, with the
    number of machines that would decide.
    """
    from olivepress.cli.fleet_text import status_lines
    from olivepress.core.files import write_text
    from olivepress.fleet.page import status_html
    from olivepress.fleet.records import PAGE, read_fleet, the_only_fleet
    from olivepress.fleet.rollout import OUTCOMES
    from olivepress.fleet.status import fleet_status
    from olivepress.report.judgement import EXIT_CODES

    record = read_fleet(fleet or the_only_fleet())
    current = fleet_status(record)
    page = record.folder / PAGE
    write_text(page, status_html(current))
    if as_json:
        more = {
            "open_to": current.open_to,
            "release": current.release.model_dump(mode="json"),
            "before": [release.model_dump(mode="json") for release in current.before],
        }
        print(json.dumps(asdict(current) | more, indent=1))
    else:
        print("\n".join([*status_lines(current), f"page: {page}"]))
    if code := EXIT_CODES[OUTCOMES[current.decision]]:
        raise typer.Exit(code)
