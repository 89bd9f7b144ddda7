"""``olivepress matrix``.

Annotations are evaluated here: ``takes`` reads the options of records.
"""

from typing import TYPE_CHECKING

from olivepress.cli.cluster_options import ClusterChoice, cluster_choice
from olivepress.cli.console import ConsoleReporter
from olivepress.cli.options import JsonOption, ModelArgument, QuietOption, TrustTargets, takes

if TYPE_CHECKING:
    from olivepress.pipeline.matrix import Matrix

__all__ = ["matrix"]


@takes(cluster=cluster_choice)
def matrix(
    model: ModelArgument,
    cluster: ClusterChoice,
    trust_targets: TrustTargets = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Build and verify a model for every target.

    Prints what was built, how it was verified, and what was lost.
    """
    from olivepress.cli.cluster import cluster_of
    from olivepress.pipeline.matrix import matrix as build_matrix
    from olivepress.pipeline.matrix import raise_failed_target

    with (
        ConsoleReporter(quiet=quiet or as_json) as reporter,
        cluster_of(cluster, reporter, trust=trust_targets, keep_going=True) as workers,
    ):
        result = build_matrix(model, reporter=reporter, trust_targets=trust_targets, cluster=workers)
    if as_json:
        print(result.text())
    else:
        _print(result)
    raise_failed_target(result)


def _print(result: "Matrix") -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    from olivepress.pipeline.matrix import HEAD, table

    rows, notes = table(result.rows)
    grid = Table(box=box.SIMPLE_HEAD, padding=0, show_edge=False)
    for name in HEAD:
        grid.add_column(name, no_wrap=name == "target")
    for row in rows:
        grid.add_row(*row)
    print(result.model + (", random weights" if result.random_weights else ""))
    Console(highlight=False).print(grid)
    for number, note in enumerate(notes, start=1):
        print(f"[{number}] {note}")
