"""``olivepress search finetune``."""

from __future__ import annotations

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
    trust_targets: TrustTargets = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Search the settings of a fine-tune that the recipe's key search names.

    Short trials first, then the best at full length; the winner is compared with the recipe's own settings on test
    rows, with fresh seeds. Safe to interrupt; rerun to resume. Several processes share the work.
    """
    from olivepress.pipeline.search.finetune import load_searched, search_finetune

    searched = load_searched(model, data=data, trust_targets=trust_targets)
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        found = search_finetune(searched, reporter=reporter, new=new)
    print(found)
