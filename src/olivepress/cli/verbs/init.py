"""``olivepress init``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption, ModelArgument

__all__ = ["init"]


def init(
    model: ModelArgument = "phi",
    data: Annotated[
        str | None, typer.Option("--data", metavar="PATH", help="The data file or directory to train on.")
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option("--target", metavar="NAME", help="A device or target, repeatable; cpu when left out."),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="The recipe's name.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a recipe with comments into recipes/, to be edited."""
    from olivepress.core.messages import next_command
    from olivepress.pipeline.new_recipe import write_recipe

    path = write_recipe(model, data=data, names=target or ["cpu"], recipe_name=name)
    if as_json:
        print(json.dumps({"recipe": path.as_posix()}))
        return
    print(path.as_posix())
    print(f"next: {next_command('plan', path.stem, None)}")
