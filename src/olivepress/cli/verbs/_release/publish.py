"""``olivepress publish``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption

__all__ = ["publish"]


def publish(
    artifact: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="The folder of an export or a merged model.")],
    destination: Annotated[
        str, typer.Argument(metavar="DIR|hub:OWNER/NAME", help="A new folder, or a model repository on the Hub.")
    ],
    card: Annotated[
        Path | None,
        typer.Option("--card", metavar="FILE", help="Its model card; the one of olivepress card if left out."),
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="Create the repository for everybody, not private.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check everything and list the files; no network.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Publish an artifact with its card and manifest.

    Refused while the card has holes, and for files with secrets or personal paths. Rows of the data stay here.
    """
    from olivepress.pipeline.release.publish import package_of, repository_of
    from olivepress.pipeline.release.publish import publish as publish_artifact

    if not dry_run:
        place = publish_artifact(artifact, destination, card=card, private=not public)
        print(json.dumps({"published": place}) if as_json else f"published: {place}")
        return
    repository_of(destination)
    package = package_of(artifact, card)
    if as_json:
        facts = {"files": dict(package.files), "left_out": package.left_out, "card": str(package.card)}
        print(json.dumps(facts | {"sha256": package.manifest.sha256}, indent=1))
        return
    for name, size in package.files.items():
        print(f"{size:>15,}  {name}")
    print(f"{package.card.stat().st_size:>15,}  README.md, from {package.card}")
    for name in package.left_out:
        print(f"not published: {name}")
    print(f"would go to {destination}; nothing was written")
