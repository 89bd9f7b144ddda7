"""``olivepress env``: list, create and remove the environments of execution providers."""

from __future__ import annotations

import json
from typing import Annotated

import typer

__all__ = ["env"]

env = typer.Typer(help="Manage the packages that each provider runs with.", no_args_is_help=True)

_Name = Annotated[str, typer.Argument(metavar="NAME", help="An environment, or a target for the environment it needs.")]
_Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]


@env.command(name="list")
def list_(as_json: Annotated[bool, typer.Option("--json", help="Print JSON for machines.")] = False) -> None:
    """List the environments and their state on this machine."""
    from olivepress.environments.lookup import environments, is_created, platform_here, python_of, satisfied_here

    rows = []
    for one in environments().values():
        python, state = None, "not created"
        if satisfied_here(one):
            state = "this interpreter"
        elif platform_here() not in one.platforms:
            state = f"not on {platform_here()}: {one.elsewhere}"
        elif is_created(one):
            python, state = str(python_of(one)), "created"
        rows.append({**one.model_dump(mode="json"), "state": state, "python": python})
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(f"{row['name']}: {row['description']}\n  {', '.join(row['packages']) or 'no packages'}\n  {row['state']}")
        for need in row["needs"]:
            print(f"  needs {need}")


@env.command()
def create(name: _Name, quiet: _Quiet = False) -> None:
    """Create an environment from its lock files.

    In .environments/; one that is whole is kept.
    """
    from olivepress.environments.create import create as create_environment
    from olivepress.environments.lookup import check_platform, environment, interpreter, satisfied_here
    from olivepress.pipeline.console import ConsoleReporter

    one = environment(name)
    if satisfied_here(one):
        print(f"{one.name}: this interpreter has its packages, {interpreter(one.name)}")
        return
    check_platform(one)
    with ConsoleReporter(quiet=quiet) as reporter:
        reporter.begin(f"environment {one.name}")
        python = create_environment(one.name, on_progress=reporter.update)
        reporter.end(f"environment {one.name} is whole")
    print(f"{one.name}: {python}")


@env.command()
def remove(name: _Name) -> None:
    """Delete an environment that was created here."""
    from olivepress.environments.create import remove as remove_environment

    print(f"{name}: removed" if remove_environment(name) else f"{name}: there is none")
