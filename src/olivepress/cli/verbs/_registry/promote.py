"""``olivepress promote``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption, ModelArgument

__all__ = ["promote"]


def promote(
    recipe: ModelArgument,
    target: Annotated[str, typer.Option("--target", metavar="TARGET", help="The target whose artifact is promoted.")],
    by: Annotated[
        str | None, typer.Option("--by", metavar="NAME", help="Who promotes it, as the audit log shall name them.")
    ] = None,
    require_signature: Annotated[
        bool, typer.Option("--require-signature", help="Refuse an artifact without a valid signature of a trusted key.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the table of gates and change nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Promote an artifact to champion in the model registry, if every gate holds.

    Exit code 0: promoted, it is the champion already, or with --dry-run it would be; 10: a gate failed; 11: a gate is
    inconclusive, and the artifact is the challenger; 2: the command line is wrong; 12: the audit log was cut or
    changed. What is the champion already is judged again with --dry-run.
    """
    from olivepress.cli.promotion_text import promotion_lines, promotion_record
    from olivepress.pipeline.promote import promote_recipe
    from olivepress.registry.promote import checked_name
    from olivepress.report.judgement import EXIT_CODES
    from olivepress.workflow.find_recipe import find_recipe

    found, _ = find_recipe(recipe)
    promotion = promote_recipe(found, target, by=checked_name(by), require_signature=require_signature, dry_run=dry_run)
    if as_json:
        print(json.dumps(promotion_record(promotion), indent=2))
    else:
        for line in promotion_lines(promotion, dry_run=dry_run):
            print(line)
    raise typer.Exit(EXIT_CODES[promotion.verdict or "pass"])
