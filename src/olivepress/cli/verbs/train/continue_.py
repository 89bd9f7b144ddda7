"""``olivepress train continue``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from olivepress.cli.console import ConsoleReporter
from olivepress.cli.options import JsonOption, QuietOption, RunArgument, TrustTargets

__all__ = ["continue_"]


def continue_(
    run: RunArgument,
    data: Annotated[str, typer.Option("--data", metavar="PATH", help="The new rows: a data file or directory.")],
    name: Annotated[str | None, typer.Option("--name", metavar="NAME", help="Of the recipe that is written.")] = None,
    share: Annotated[
        float, typer.Option("--share", help="The share of earlier rows among all training rows; 0: none.")
    ] = 0.2,
    learning_rate: Annotated[
        float | None, typer.Option("--learning-rate", min=1.0e-8, max=10.0, help="A third of the run's by default.")
    ] = None,
    epochs: Annotated[float, typer.Option("--epochs", min=0.01, max=1000.0, help="Passes over the rows.")] = 1.0,
    trust_targets: TrustTargets = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Train the model of a run further on new rows, and measure what it forgets.

    Replays rows of earlier versions of the data, trains and merges, then compares the answers to every earlier test
    split before and after. Safe to interrupt; rerun to resume.
    """
    from olivepress.cli.continued_text import continued_lines, continued_record
    from olivepress.pipeline.training.continual import Wishes, continue_run
    from olivepress.track.runs import find_run

    wishes = Wishes(name=name, share=share, learning_rate=learning_rate, epochs=epochs, trust_targets=trust_targets)
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        continued = continue_run(find_run(run), data, wishes, reporter=reporter)
    if as_json:
        print(json.dumps(continued_record(continued), indent=2))
        return
    for line in continued_lines(continued):
        print(line)
