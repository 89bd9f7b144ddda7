"""``olivepress env create``."""

from __future__ import annotations

from olivepress.cli.console import ConsoleReporter
from olivepress.cli.options import EnvironmentArgument, QuietOption

__all__ = ["create"]


def create(name: EnvironmentArgument, quiet: QuietOption = False) -> None:
    """Create an environment from its lock files.

    It is created in .environments/, unless it is there and complete.
    """
    from olivepress.environments.create import create as create_environment
    from olivepress.environments.lookup import check_platform, environment, interpreter, satisfied_here

    wanted = environment(name)
    if satisfied_here(wanted):
        print(f"{wanted.name}: this interpreter has its packages, {interpreter(wanted.name)}")
        return
    check_platform(wanted)
    with ConsoleReporter(quiet=quiet) as reporter:
        reporter.begin(f"environment {wanted.name}")
        python = create_environment(wanted.name, on_progress=reporter.update)
        reporter.end(f"environment {wanted.name} is complete")
    print(f"{wanted.name}: {python}")
