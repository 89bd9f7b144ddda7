"""``olivepress rollback``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption, ModelArgument

__all__ = ["rollback"]


def rollback(
    recipe: ModelArgument,
    target: Annotated[str, typer.Option("--target", metavar="TARGET", help="The target whose champion is taken back.")],
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who does it, as the audit log shall name them.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Make the champion before the present one the champion again.

    Only the alias moves, not the files in runs/. Exit code 2: there is no champion before; 12: the audit log was cut or
    changed.
    """
    from olivepress.cli.promotion_text import rollback_lines
    from olivepress.pipeline.promote import rollback_recipe
    from olivepress.registry.promote import checked_name
    from olivepress.workflow.find_recipe import find_recipe

    found, _ = find_recipe(recipe)
    done = rollback_recipe(found, target, by=checked_name(by))
    if as_json:
        print(json.dumps({"line": done.line.model_dump(), "skipped": done.skipped, "notes": done.notes}, indent=2))
        return
    for line in rollback_lines(done):
        print(line)
