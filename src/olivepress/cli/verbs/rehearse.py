"""``olivepress rehearse``."""

from __future__ import annotations

from typing import Annotated

import typer

from olivepress.cli.console import ConsoleReporter
from olivepress.cli.options import JsonOption, ModelArgument, QuietOption

__all__ = ["rehearse"]


def rehearse(
    model: ModelArgument,
    keep: Annotated[bool, typer.Option("--keep", help="Keep the random model and its artifacts.")] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run the full pipeline at real size on random weights.

    Shows the memory, disk and time that the real run will take.
    """
    from olivepress.pipeline.rehearse import rehearse as rehearse_model

    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        text = rehearse_model(model, reporter=reporter, keep=keep, as_json=as_json)
    print(text, end="")
