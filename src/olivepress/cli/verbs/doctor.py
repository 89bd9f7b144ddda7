"""``olivepress doctor``."""

from __future__ import annotations

import sys

import typer

from olivepress.cli.console import ConsoleReporter
from olivepress.cli.options import JsonOption, QuietOption

__all__ = ["doctor"]


def doctor(quiet: QuietOption = False, as_json: JsonOption = False) -> None:
    """Check packages, execution providers, devices and targets here.

    Prints what is broken and how to fix it; exits with 7 if anything is.
    """
    from rich.console import Console

    from olivepress.core.errors import SetupError
    from olivepress.doctor import diagnose, render_terminal

    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        diagnosis = diagnose(tell=reporter.begin if reporter.live else lambda step: None)
        reporter.end_task()
    if as_json:
        print(diagnosis.model_dump_json(indent=2))
    else:
        # Commands are not cropped to the terminal's width: they are there to be copied.
        width = None if sys.stdout.isatty() else 120
        Console(highlight=False, width=width).print(render_terminal(diagnosis), crop=False)
    if diagnosis.problems:
        raise typer.Exit(SetupError.exit_code)
