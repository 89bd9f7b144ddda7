"""``olivepress search finetune``.

Annotations are evaluated here: ``takes`` reads the options of records.
"""

import json
from dataclasses import replace
from typing import Annotated

import typer

from olivepress.cli.cluster_options import ClusterChoice, cluster_choice
from olivepress.cli.console import ConsoleReporter
from olivepress.cli.options import DataOption, JsonOption, ModelArgument, QuietOption, TrustTargets, takes

__all__ = ["finetune"]


@takes(cluster=cluster_choice)
def finetune(
    model: ModelArgument,
    cluster: ClusterChoice,
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
    rows, with fresh seeds. Safe to interrupt; rerun to resume. Several processes share the work. With --engine dask
    the trials run on workers, one at a time for each process. Scoring and measuring stay on this machine.
    """
    from olivepress.cli.cluster import cluster_of
    from olivepress.pipeline.search.finetune import load_searched, search_finetune
    from olivepress.pipeline.search.result import answer, result_record, write_result

    searched = load_searched(model, data=data, joint=joint, trust_targets=trust_targets)
    with (
        ConsoleReporter(quiet=quiet or as_json) as reporter,
        cluster_of(cluster, reporter, trust=trust_targets) as workers,
    ):
        decision = search_finetune(replace(searched, cluster=workers), reporter=reporter, new=new)
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
