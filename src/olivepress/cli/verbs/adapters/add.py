"""``olivepress adapters add``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption, PackageArgument

__all__ = ["add"]


def add(
    package: PackageArgument,
    peft_dir: Annotated[
        str,
        typer.Argument(metavar="PEFT", help="The folder of a PEFT LoRA adapter, or the Hub id of a downloaded one."),
    ],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="The name of the adapter in the package.")],
    task: Annotated[str | None, typer.Option("--task", help="The purpose of the adapter, in a few words.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the adapter of that name.")] = False,
    any_base: Annotated[
        bool,
        typer.Option("--any-base", help="Accept an adapter of another base model if its shapes fit."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Add an adapter that was trained with PEFT to a package.

    It may have been trained anywhere; the base is not exported again.
    """
    from olivepress.adapters import Origin, add_adapter
    from olivepress.core.artifact import MANIFEST, read_manifest
    from olivepress.core.hub import local_directory

    if (package / MANIFEST).is_file():  # the base of a package that plain Olive wrote has none
        read_manifest(package, verify=True)
    folder = Path(peft_dir) if Path(peft_dir).exists() else local_directory(peft_dir)
    entry = add_adapter(package, folder, name, origin=Origin(task=task), replace=replace, any_base=any_base)
    if as_json:
        print(json.dumps({"name": name, **entry.model_dump(mode="json")}, indent=2))
        return
    ranks = "/".join(map(str, entry.ranks))
    print(f"{package / entry.file}: {entry.bytes / 1e6:.2f} MB, rank {ranks}, sha256 {entry.sha256[:12]}")
    print(f"next: olivepress chat {package} --adapter {name}")
