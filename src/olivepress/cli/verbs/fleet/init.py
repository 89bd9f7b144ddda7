"""``olivepress fleet init``."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption

__all__ = ["init"]


def init(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the fleet is called.")],
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="A zip file of olivepress bundle.")],
    machines: Annotated[
        Path | None,
        typer.Option(
            "--machines",
            metavar="FILE",
            help="A CSV file with the columns machine and class, and key for machines that have their own.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make a fleet of machines that measure a bundle, or give another bundle or more machines to one.

    Each machine gets a key and a ring. Secret keys that are created here are in fleets/NAME/secrets: carry each to its
    machine, then delete the folder.
    """
    from olivepress.cli.fleet_text import created_lines
    from olivepress.fleet.create import init_fleet

    created = init_fleet(name, bundle, machines, now=datetime.now(UTC))
    if as_json:
        facts = {"fleet": name, "release": created.fleet.present.number, "machines": len(created.machines)}
        print(json.dumps(facts | {"added": list(created.added), "keys_to_carry": list(created.keyed)}, indent=1))
        return
    print("\n".join(created_lines(created)))
