"""``olivepress adapters``: what a package holds, and adapters put into it, checked and taken out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

__all__ = ["adapters"]

adapters = typer.Typer(help="Adapters of a package: one base model that takes many.", no_args_is_help=True)

_Package = Annotated[Path, typer.Argument(metavar="PACKAGE", help="A package's folder, as runs/RECIPE/package-TARGET.")]
_Name = Annotated[str, typer.Argument(metavar="NAME", help="The adapter's name in the package.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]


@adapters.command()
def add(
    package: _Package,
    peft_dir: Annotated[
        str, typer.Argument(metavar="PEFT", help="Folder of a PEFT LoRA adapter, or its Hub id if it was downloaded.")
    ],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="What to call it.")],
    task: Annotated[str | None, typer.Option("--task", help="What it is for, in a few words.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Take the place of the one of that name.")] = False,
    any_base: Annotated[
        bool, typer.Option("--any-base", help="Although its config names another base model, if its shapes fit.")
    ] = False,
    as_json: _Json = False,
) -> None:
    """Add an adapter that PEFT trained to a package.

    Wherever it was trained; the base is not exported again.
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


@adapters.command(name="list")
def list_(package: _Package, as_json: _Json = False) -> None:
    """Show the base of a package and its adapters."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from olivepress.adapters import read_package
    from olivepress.runtimes.artifact_safety import check_artifact

    held = read_package(package)
    check_artifact(package)
    if as_json:
        print(json.dumps(held.model_dump(mode="json"), indent=2))
        return
    random = ", random weights" if held.random_weights else ""
    print(f"{package}: base {held.base_model}{random}, {held.target}, {len(held.inputs)} LoRA inputs")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), show_edge=False)
    for title in ("adapter", "rank", "alpha", "modules", "size", "data", "task"):
        table.add_column(title, no_wrap=title == "adapter")
    for name, one in held.adapters.items():
        ranks, size = "/".join(map(str, one.ranks)), f"{one.bytes / 1e6:.2f} MB"
        data = f"{one.origin.dataset} {(one.origin.dataset_version or '')[:12]}" if one.origin.dataset else "elsewhere"
        modules = ", ".join(one.target_modules)
        table.add_row(name, ranks, f"{one.alpha:g}", modules, size, data, one.origin.task or "")
    Console(highlight=False, markup=False).print(table)


@adapters.command()
def check(
    package: _Package,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="One adapter; all when left out.")] = None,
    as_json: _Json = False,
) -> None:
    """Check the base and every adapter, tensor by tensor."""
    from olivepress.adapters import check_package

    found = check_package(package, name)
    if as_json:
        print(json.dumps({"package": str(package), "adapters": found}, indent=2))
        return
    for one, tensors in found.items():
        print(f"{one}: {tensors} tensors fit the base")
    if not found:
        print(f"{package}: no adapters; the base is whole")


@adapters.command()
def remove(package: _Package, name: _Name) -> None:
    """Take an adapter out of a package."""
    from olivepress.adapters import remove_adapter

    remove_adapter(package, name)
    print(f"{package}: {name} removed")
