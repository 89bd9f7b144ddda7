"""``olivepress init``."""

from __future__ import annotations

import json
import sys
from typing import Annotated

import typer

from olivepress.cli.options import JsonOption, recipe_names

__all__ = ["init"]

_MODEL = "phi"


def init(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help=f"A recipe's path or name, a family, a Hub id or a model directory; {_MODEL} when left out.",
            autocompletion=recipe_names,
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            "--data", metavar="PATH", help="The data file or directory to train on; a synthetic task when left out."
        ),
    ] = None,
    target: Annotated[
        list[str] | None,
        typer.Option(
            "--target", metavar="NAME", help="A device or target beside those of this machine; may be repeated."
        ),
    ] = None,
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="The recipe's name.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write a recipe with comments into recipes/, to be edited.

    Its targets are the devices of this machine and those of --target. On a terminal it asks for what is left out.
    """
    from olivepress.core.messages import next_command
    from olivepress.doctor import devices_of_this_machine
    from olivepress.pipeline.new_recipe import write_recipe

    if sys.stdin.isatty() and sys.stdout.isatty() and not as_json:
        if model is None:
            model = typer.prompt("Model", default=_MODEL)
        if data is None:
            question = "Data file or folder (Enter: a synthetic task)"
            data = typer.prompt(question, default="", show_default=False) or None
    here = devices_of_this_machine()
    path = write_recipe(_MODEL if model is None else model, data=data, here=here, named=target or (), recipe_name=name)
    if as_json:
        print(json.dumps({"recipe": path.as_posix()}))
        return
    print(path.as_posix())
    print(f"next: {next_command('plan', path.stem, None)}")
