"""``olivepress tune``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from olivepress.cli.console import ConsoleReporter, job_progress, print_table
from olivepress.cli.options import JsonOption, QuietOption, TrustTargets

if TYPE_CHECKING:
    from olivepress.measure.tuning.record import Alternative, Tuning
    from olivepress.report.device_report import Measurement

__all__ = ["tune"]


def tune(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET", help="The directory of an exported artifact, or a recipe: all its exports that run here."
        ),
    ],
    data: Annotated[str | None, typer.Option("--data", metavar="PATH", help="For a recipe: its data.")] = None,
    job: Annotated[str | None, typer.Option("--job", help="For a recipe: tune this export only.")] = None,
    budget: Annotated[
        float, typer.Option("--budget", metavar="SECONDS", min=1.0, help="Time to spend on each artifact.")
    ] = 600.0,
    trust_targets: TrustTargets = False,
    reset: Annotated[
        bool, typer.Option("--reset", help="Restore the settings that the artifact was shipped with.")
    ] = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find the fastest session settings for this machine.

    Settings that change no token are searched, and the best ones are written into the artifact.
    """
    from olivepress.pipeline.tune import artifacts_to_tune, summary, tune_all

    directories = artifacts_to_tune(target, data=data, job=job, trust_targets=trust_targets)
    if reset:
        _reset(directories, as_json)
        return
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        tunings = tune_all(directories, budget_s=budget, on_progress=job_progress(reporter, "tune"))
    if as_json:
        print(json.dumps(summary(tunings), indent=2))
        return
    for directory, tuning in tunings.items():
        _print_tuning(directory, tuning)


def _reset(directories: list[Path], as_json: bool) -> None:
    from olivepress.pipeline.tune import reset

    hashes = {str(directory): reset(directory).sha256 for directory in directories}
    lines = [f"{path}: as shipped, sha256 {sha256[:12]}" for path, sha256 in hashes.items()]
    print(json.dumps(hashes, indent=2) if as_json else "\n".join(lines))


def _print_tuning(directory: Path, tuning: Tuning) -> None:
    from rich.table import Table

    before = f"{directory}: {tuning.workload}, {len(tuning.alternatives)} alternatives in {tuning.spent_s:.0f} s"
    print(f"{before} on {tuning.machine.id}, shipped with {tuning.shipped_threads} threads")
    table = Table(box=None, padding=(0, 1), show_edge=False)
    for title in ("searched", "set", "decode", "prefill", "together (95 %)", "verdict"):
        table.add_column(title, overflow="fold", no_wrap=title == "searched")
    rows = [*tuning.alternatives, tuning.confirmed] if tuning.confirmed else tuning.alternatives
    for alternative in rows:
        table.add_row(*_row(alternative))
    if rows:
        print_table(table)
    for axis, reason in tuning.not_searched.items():
        print(f"not searched: {axis}: {reason}; next: --budget {2 * tuning.budget_s:.0f}")
    settings = "kept as shipped" if tuning.winner is None else f"written: {tuning.winner.text}"
    print(f"{settings}; {tuning.reason}")
    answers = f"{tuning.answers} greedy answers ({tuning.answer_tokens} tokens) in every process"
    print(f"same tokens as with the shipped settings: {answers}; record: {directory / 'tuning.json'}")


def _row(alternative: Alternative) -> tuple[str, ...]:
    from olivepress.catalog.session_axes import Options

    before = alternative.against.session | alternative.against.provider
    after = alternative.options.session | alternative.options.provider
    changed = " ".join(f"{key}={value}" for key, value in after.items() if before.get(key) != value)
    score, interval = alternative.score, _percent(alternative.score)
    if score.ci_low is not None and score.ci_high is not None:
        interval += f" ({_signed(score.ci_low)} to {_signed(score.ci_high)}), n={score.n}"
    verdict: str = alternative.verdict
    if alternative.reason:
        verdict += f": {alternative.reason}"
    ratios = _percent(alternative.decode_ratio), _percent(alternative.prefill_ratio)
    return alternative.axis, changed or Options().text, *ratios, interval, verdict


def _percent(ratio: Measurement) -> str:
    return "–" if ratio.value is None else f"{_signed(ratio.value)} %"


def _signed(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f}"
