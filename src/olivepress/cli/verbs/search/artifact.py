"""``olivepress search artifact``.

Annotations are evaluated here: ``takes`` reads the options of records.
"""

import sys
from typing import Annotated

import typer

from olivepress.cli.cluster_options import ClusterChoice, cluster_choice
from olivepress.cli.console import ConsoleReporter, job_progress
from olivepress.cli.documents import print_document
from olivepress.cli.options import (
    DataOption,
    JsonOption,
    ModelArgument,
    QuietOption,
    RoundsOption,
    TrustTargets,
    takes,
)
from olivepress.cli.plans import load_plan

__all__ = ["artifact"]


@takes(cluster=cluster_choice)
def artifact(
    model: ModelArgument,
    cluster: ClusterChoice,
    data: DataOption = None,
    rounds: RoundsOption = None,
    budget: Annotated[
        float,
        typer.Option("--budget", metavar="SECONDS", min=0.0, help="Time to tune each artifact; 0: do not tune."),
    ] = 60.0,
    trust_targets: TrustTargets = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare many ways to quantize one merged model.

    Builds, tunes and measures a fixed grid of them. With --engine dask they are built on workers, and measured here.
    A point of the grid that cannot be built is a result; one of the recipe's own targets is a failure.
    """
    from olivepress.cli.cluster import cluster_of
    from olivepress.pipeline.bench import Overrides
    from olivepress.pipeline.run import raise_failed
    from olivepress.pipeline.search.artifact import search

    plan = load_plan(model, data, trust_targets)
    with (
        ConsoleReporter(quiet=quiet or as_json) as reporter,
        cluster_of(cluster, reporter, trust=trust_targets, keep_going=True) as workers,
    ):
        result = search(
            plan,
            overrides=Overrides(rounds=rounds),
            budget_s=budget,
            reporter=reporter,
            on_bench=job_progress(reporter),
            on_tuning=job_progress(reporter, "tune"),
            cluster=workers,
        )
    print_document(result.page.document, "json" if as_json else "table")
    for problem in result.problems:
        print(problem, file=sys.stderr)
    if not as_json:
        print(f"page: {result.page.files['html']}")
    raise_failed(result.own)
