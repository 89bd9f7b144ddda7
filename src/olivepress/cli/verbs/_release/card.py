"""``olivepress card``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption
from olivepress.core.errors import UsageError
from olivepress.core.printable import printable

__all__ = ["card"]


def card(
    target: Annotated[Path, typer.Argument(metavar="ARTIFACT|CARD", help="An artifact's folder, or a card to check.")],
    licence: Annotated[
        str, typer.Option("--licence", metavar="SPDX", help="The licence of this model, such as apache-2.0.")
    ] = "",
    language: Annotated[
        list[str] | None, typer.Option("--language", metavar="CODE", help="A language of it, such as en.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Where to write the card.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite a card that is there.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write an artifact's model card, or check one for holes.

    Exit code 10 when something is missing: some parts only a person can write.
    """
    from olivepress.pipeline.release.card import check_card, write_card
    from olivepress.report.judgement import EXIT_CODES

    if target.suffix.lower() == ".md":
        if licence or language or out or force:
            raise UsageError(
                "--licence, --language, --out and --force are for an artifact", next_step=f"olivepress card {target}"
            )
        result = check_card(target)
    else:
        result = write_card(target, licence=licence, languages=tuple(language or ()), out=out, force=force)
    if as_json:
        print(json.dumps({"card": str(result.path), "holes": result.holes}, indent=1))
    else:
        print(f"card: {result.path}")
        for hole in result.holes:
            print(f"  {printable(hole)}")
        if not result.holes:
            print("  nothing is missing")
    if result.holes:
        raise typer.Exit(EXIT_CODES["fail"])
