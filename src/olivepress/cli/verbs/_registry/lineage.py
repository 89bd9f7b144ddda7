"""``olivepress lineage``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption

__all__ = ["lineage"]


def lineage(
    artifact: Annotated[
        str,
        typer.Argument(
            metavar="ARTIFACT",
            help="An artifact's folder, RECIPE/JOB, the first digits of its sha256, champion or MODEL@champion.",
        ),
    ],
    page: Annotated[Path | None, typer.Option("--page", metavar="FILE", help="Also write it as an HTML page.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show where an artifact comes from and what became of it, as a tree.

    Data, base model, recipe, commit, jobs, device reports, promotions.
    """
    from olivepress.cli.lineage_text import lineage_lines
    from olivepress.core.files import write_text
    from olivepress.registry.lineage import lineage as lineage_of
    from olivepress.registry.lineage_page import lineage_page

    found = lineage_of(artifact)
    if page is not None:
        write_text(page, lineage_page(found))
    if as_json:
        print(json.dumps(asdict(found), indent=2))
    else:
        for line in lineage_lines(found):
            print(line)
    if page is not None:
        print(f"page: {page}", file=sys.stderr)
