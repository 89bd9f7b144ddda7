"""``olivepress safety``."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from olivepress.cli.console import ConsoleReporter, job_progress, print_table
from olivepress.cli.options import DataOption, JsonOption, QuietOption, TrustTargets, refuse_for_artifact
from olivepress.core.printable import printable

if TYPE_CHECKING:
    from rich.table import Table

    from olivepress.pipeline.release.safety import Comparison, Safe

__all__ = ["safety"]

_MOST_LOST = 5


def safety(
    target: Annotated[
        str, typer.Argument(metavar="RECIPE|ARTIFACT", help="A recipe as elsewhere, or the folder of an artifact.")
    ],
    data: DataOption = None,
    trust_targets: TrustTargets = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Ask the safety prompts, before and after fine-tuning and after quantization.

    Refusals, over-refusal, leaks of training data and system prompts, injected instructions, toxic answers. Exit code
    10 when a model is shown to be less safe than the one before it, or to leak; 11 when that cannot be told.
    """
    from olivepress.pipeline.artifacts import is_artifact
    from olivepress.report.judgement import EXIT_CODES, Outcome

    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        if is_artifact(Path(target)):
            refuse_for_artifact("safety", target, data=data, trust_targets=trust_targets)
            found = [_of_artifact(Path(target), reporter)]
        else:
            found = _of_recipe(target, data, trust_targets, reporter)
    if as_json:
        records = [_record(safe) for safe in found]
        print(json.dumps(records[0] if len(records) == 1 else records, indent=1))
    else:
        for safe in found:
            _print(safe)
    outcomes = {judged.outcome for safe in found for judged in safe.judgements.values()}
    worst_first: tuple[Outcome, ...] = ("fail", "inconclusive")
    for outcome in worst_first:
        if outcome in outcomes:
            raise typer.Exit(EXIT_CODES[outcome])


def _of_artifact(directory: Path, reporter: ConsoleReporter) -> Safe:
    from datetime import UTC, datetime

    from olivepress.pipeline.release.safety import safety_of_artifact

    return safety_of_artifact(directory, now=datetime.now(UTC), on_progress=job_progress(reporter, "ask"))


def _of_recipe(target: str, data: str | None, trust_targets: bool, reporter: ConsoleReporter) -> list[Safe]:
    """Of a recipe of several adapters that of each."""
    from datetime import UTC, datetime

    from olivepress.cli.plans import load_plan
    from olivepress.pipeline.release.safety import safety_of_recipe

    plan = load_plan(target, data, trust_targets)
    return [
        safety_of_recipe(
            each, now=datetime.now(UTC), on_skipped=reporter.skipped, on_progress=job_progress(reporter, "ask")
        )
        for each in plan.members.values() or (plan,)
    ]


def _record(safe: Safe) -> dict[str, object]:
    return {
        "results": {job: result.model_dump(mode="json") for job, result in safe.results.items()},
        "comparisons": [
            {
                "step": each.step,
                "before": each.before,
                "after": each.after,
                "changes": [
                    asdict(change) | {"verdict": change.verdict.model_dump(mode="json"), "worse": change.is_worse}
                    for change in each.changes
                ],
            }
            for each in safe.comparisons
        ],
        "judgements": {job: asdict(judged) for job, judged in safe.judgements.items()},
        "files": {job: str(path) for job, path in safe.paths.items()},
    }


def _print(safe: Safe) -> None:
    from rich.table import Table

    table = Table(box=None, padding=(0, 1), show_edge=False)
    jobs = list(safe.results)
    table.add_column("passed", no_wrap=True)
    for job in jobs:
        table.add_column(printable(job), justify="right", no_wrap=True)
    for category in dict.fromkeys(name for result in safe.results.values() for name in result.categories):
        cells = [safe.results[job].of_category(category) for job in jobs]
        table.add_row(printable(category), *(f"{sum(r.passed for r in cell)} of {len(cell)}" for cell in cells))
    _add_leaks(table, safe)
    print_table(table)
    for comparison in safe.comparisons:
        _print_comparison(comparison)
    for job, judged in safe.judgements.items():
        needed = f"; {judged.needed} prompts would decide" if judged.needed else ""
        print(f"{printable(job)}: {judged.outcome}: {judged.evidence}{needed}")
    for path in safe.paths.values():
        print(f"results: {path}", file=sys.stderr)


def _add_leaks(table: Table, safe: Safe) -> None:
    from olivepress.safety.canaries import exposure

    results = safe.results.values()
    if any(result.canaries for result in results):
        cells = []
        for result in results:
            bits = [exposure(rank) for rank in result.canaries]
            done = sum(rank.completed for rank in result.canaries)
            cells.append(f"{sum(bits) / len(bits):.1f} bits, {done} completed" if bits else "–")
        table.add_row("canaries: mean exposure", *cells)
    if any(result.n_personal for result in results):
        table.add_row("personal data completed", *(f"{len(r.completed_personal)} of {r.n_personal}" for r in results))


def _print_comparison(comparison: Comparison) -> None:
    whole = comparison.changes[0].shares
    change = f"{100 * whole.difference:+.1f} points ({100 * whole.ci_low:+.1f} to {100 * whole.ci_high:+.1f})"
    print(f"\n{comparison.step}, {printable(comparison.before)} → {printable(comparison.after)}: {change}, n={whole.n}")
    for each in comparison.changes[1:]:
        if not each.lost and not each.gained:
            continue
        mark = "worse" if each.is_worse else "not shown to differ"
        lost = ", ".join(each.lost[:_MOST_LOST]) + (" …" if len(each.lost) > _MOST_LOST else "")
        tail = f": {lost}" if lost else ""
        counts = f"{len(each.lost)} lost, {len(each.gained)} gained"
        print(f"  {printable(each.category)}: {counts}, {mark}, p = {each.p_value:.2g}{printable(tail)}")
