"""``olivepress adapters check``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption, PackageArgument

__all__ = ["check"]


def check(
    package: PackageArgument,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Check this adapter only; without it, all of them.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check the base and every adapter, tensor by tensor."""
    from olivepress.adapters import check_package

    checked = check_package(package, name)
    if as_json:
        print(json.dumps({"package": str(package), "adapters": checked}, indent=2))
        return
    for adapter, tensors in checked.items():
        print(f"{adapter}: {tensors} tensors fit the base")
    if not checked:
        print(f"{package}: no adapters; the base is complete")
