"""``olivepress data export``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.options import DatasetArgument, JsonOption, one_of

__all__ = ["export"]

_FORMS = "messages, prompt-completion, alpaca, sharegpt or preference."


def export(
    name: DatasetArgument,
    out: Annotated[Path, typer.Option("-o", "--out", metavar="DIR", help="Where to write the three files.")],
    to: Annotated[str, typer.Option("--to", help=_FORMS)] = "messages",
    as_json: JsonOption = False,
) -> None:
    """Write a dataset in a format that other tools read.

    The JSON lines that hosted services and other trainers accept.
    """
    from olivepress.core.messages import counted
    from olivepress.data.derive.export import FORMS, export_dataset
    from olivepress.data.store.find import find_dataset

    one_of("--to", to, FORMS)
    exported = export_dataset(find_dataset(name), to, out)
    paths = {split: str(path) for split, path in exported.paths.items()}
    if as_json:
        print(json.dumps({**paths, "omitted": exported.omitted}))
        return
    print("\n".join(paths.values()))
    for what, count in exported.omitted.items():
        print(f"omitted, {to} has no place for it: {what} of {counted(count, 'row')}")
