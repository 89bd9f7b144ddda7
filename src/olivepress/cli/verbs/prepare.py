"""``olivepress prepare``."""

from __future__ import annotations

from olivepress.cli.console import ConsoleReporter
from olivepress.cli.options import DataOption, ModelArgument, TrustTargets
from olivepress.cli.plans import load_plan

__all__ = ["prepare"]


def prepare(model: ModelArgument, data: DataOption = None, trust_targets: TrustTargets = False) -> None:
    """Write the dataset that the workflows of a recipe read."""
    from olivepress.pipeline import prepare as preparation

    plan = load_plan(model, data, trust_targets)
    with ConsoleReporter(quiet=False) as reporter:
        preparation.fetch_model(plan, reporter.fetching_model)
    for each in plan.all:
        directory = preparation.prepare(each)
        rows = ", ".join(f"{len(examples)} {split}" for split, examples in each.dataset.splits.items())
        print(f"{directory}: {rows}")
        for reason, count in each.dataset.dropped.items():
            print(f"  left out: {count} x {reason}")
        for note in preparation.row_notes(each):
            print(f"  note: {note}")
