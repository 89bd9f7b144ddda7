"""``olivepress search finetune``."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from olivepress.cli.console import ConsoleReporter
from olivepress.cli.options import DataOption, JsonOption, ModelArgument, QuietOption, TrustTargets

__all__ = ["finetune"]


def finetune(
    model: ModelArgument,
    data: DataOption = None,
    new: Annotated[
        bool, typer.Option("--new", help="Begin a new study; the last one stays, and its trials are a warm start.")
    ] = False,
    joint: Annotated[
        bool,
        typer.Option("--joint", help="Export each trial for a target: quality after quantization, speed and size."),
    ] = False,
    trust_targets: TrustTargets = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Search the settings of a fine-tune that the recipe's key search names.

    Short trials first, then the best at full length; the winner is compared with the recipe's own settings on test
    rows, with fresh seeds. Safe to interrupt; rerun to resume. Several processes share the work.
    """
    from olivepress.pipeline.search.finetune import load_searched, search_finetune
    from olivepress.pipeline.search.result import answer, result_record, write_result

    searched = load_searched(model, data=data, joint=joint, trust_targets=trust_targets)
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        decision = search_finetune(searched, reporter=reporter, new=new)
    result = write_result(decision)
    if as_json:
        print(json.dumps(result_record(decision, result.written), indent=2))
        return
    for line in answer(decision):
        print(line)
    if result.written is not None:
        print(f"recipe: {result.written.recipe}")
        for path in result.written.workflows:
            print(f"workflow: {path}")
    if result.set_aside is not None:
        print(f"the winner of an earlier study is now {result.set_aside}")
    print(f"page: {result.page}")
