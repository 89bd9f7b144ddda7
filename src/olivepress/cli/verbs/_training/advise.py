"""``olivepress advise``."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from olivepress.cli.console import ConsoleReporter
from olivepress.cli.options import JsonOption, QuietOption, recipe_names

__all__ = ["advise"]


def advise(
    data: Annotated[str, typer.Argument(metavar="DATA", help="A data file, directory, or prepared dataset.")],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            metavar="MODEL",
            help="A recipe's path or name, a family, a Hub id or a model directory.",
            autocompletion=recipe_names,
        ),
    ],
    measure: Annotated[
        int | None,
        typer.Option("--measure", metavar="N", min=10, help="Also ask the base model N test rows, with examples too."),
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Should you fine-tune on this data, put examples into the prompt, or look facts up?

    A checklist with numbers: rows, classes, lengths of prompts, what answers need to know, and with --measure what the
    base model can do already. Without it nothing is written and no model is opened.
    """
    from olivepress.core.printable import printable
    from olivepress.pipeline.training.advise import advise as advise_on

    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        reporter.checking(f"{data}: advice")
        advice = advise_on(
            data,
            model,
            measure=measure,
            progress=lambda done, total: reporter.update(f"{done} of {total}", done, total),
        )
        reporter.end_task()
    if as_json:
        print(json.dumps(asdict(advice), indent=2, ensure_ascii=False))
        return
    print(f"{advice.way}: {printable(advice.reason)}")
    for item in advice.items:
        speaks = f" -> {item.speaks_for}" if item.speaks_for else ""
        print(f"  {item.question}{speaks}")
        print(f"    {printable(item.answer)}")
