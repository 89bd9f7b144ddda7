"""``olivepress abtest make``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.console import ConsoleReporter, job_progress
from olivepress.cli.options import JsonOption, QuietOption

__all__ = ["make"]

_SOURCE = "An artifact's folder, a device report with its answers, or answers as JSON lines."


def make(
    a: Annotated[Path, typer.Argument(metavar="A", help=_SOURCE)],
    b: Annotated[Path, typer.Argument(metavar="B", help="What it is compared with, as A.")],
    n: Annotated[int, typer.Option("--n", min=1, max=10_000, help="Most prompts on the sheet.")] = 100,
    data: Annotated[
        str | None,
        typer.Option("--data", metavar="DATASET", help="Prompts: the test rows of this prepared dataset."),
    ] = None,
    name_a: Annotated[str | None, typer.Option("--name-a", metavar="NAME", help="What the result calls A.")] = None,
    name_b: Annotated[str | None, typer.Option("--name-b", metavar="NAME", help="What the result calls B.")] = None,
    seed: Annotated[
        int | None,
        typer.Option("--seed", min=0, max=2**32 - 1, help="Chooses rows and sides; drawn at random when left out."),
    ] = None,
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=1, max=100_000, help="Most tokens of an answer that is asked for now.")
    ] = 256,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Folder of the sheet; one below abtests/ by default.")
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a blind sheet of two artifacts' answers to the same prompts.

    sheet.html is filled in with a browser and works offline, sheet.csv with a spreadsheet. key.json says which answer
    is whose: do not give it to the raters.
    """
    import secrets
    from datetime import UTC, datetime

    from olivepress.pipeline.release.abtest import make as make_sheet

    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        made = make_sheet(
            a,
            b,
            n=n,
            seed=secrets.randbits(32) if seed is None else seed,
            now=datetime.now(UTC),
            data=data,
            names=(name_a, name_b),
            max_tokens=max_tokens,
            out=out,
            on_progress=job_progress(reporter, "ask"),
        )
    if as_json:
        facts = {"folder": str(made.folder), "sheet": made.sheet.id, "prompts": len(made.sheet.items)}
        print(json.dumps(facts | {"identical": len(made.key.identical), "seed": made.key.seed}))
        return
    print(f"{made.key.a.name} and {made.key.b.name}: {len(made.sheet.items)} prompts to compare")
    if made.key.identical:
        print(f"{len(made.key.identical)} more have the same answer twice: they count as ties, and nobody is asked")
    print(f"for the raters: {made.folder / 'sheet.html'}, or {made.folder / 'sheet.csv'}")
    print(f"for you alone: {made.folder / 'key.json'}")
    print("next: olivepress abtest score FILES..., with the files that the raters saved")
