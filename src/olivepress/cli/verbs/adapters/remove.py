"""``olivepress adapters remove``."""

from __future__ import annotations

from typing import Annotated

import typer

from olivepress.cli.options import PackageArgument

__all__ = ["remove"]


def remove(
    package: PackageArgument,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the adapter in the package.")],
) -> None:
    """Remove an adapter from a package."""
    from olivepress.adapters import remove_adapter

    remove_adapter(package, name)
    print(f"{package}: {name} removed")
