"""``olivepress tune`` and ``olivepress profile``: session settings of an artifact on this machine, and its kernels."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olivepress.core.errors import UsageError

if TYPE_CHECKING:
    from olivepress.measure.latency.kernel_profile import KernelProfile, Phase
    from olivepress.measure.latency.latency import Workload
    from olivepress.measure.tuning.record import Alternative, Tuning
    from olivepress.report.device_report import Measurement

__all__ = ["directories_of", "profile", "register", "teller", "tune", "tune_all", "workload_of"]

_Quiet = Annotated[bool, typer.Option("--quiet", help="No progress.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON for machines.")]
BUDGET_S = 600.0
_SMALL = 0.005  # kernels below this share are added up in one line of the table


def register(app: typer.Typer) -> None:
    """Add the commands of this module to the program."""
    app.command()(tune)
    app.command()(profile)


def tune(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="An exported artifact's directory, or a recipe: all its exports.")
    ],
    data: Annotated[str | None, typer.Option("--data", metavar="PATH", help="Of a recipe: its data.")] = None,
    job: Annotated[str | None, typer.Option("--job", help="Of a recipe: only this export.")] = None,
    budget: Annotated[
        float, typer.Option("--budget", metavar="SECONDS", min=1.0, help="Time for each artifact.")
    ] = BUDGET_S,
    trust_targets: Annotated[
        bool, typer.Option("--trust-targets", help="Let targets beside the recipe run code of their own.")
    ] = False,
    reset: Annotated[bool, typer.Option("--reset", help="Put the settings back that it was shipped with.")] = False,
    quiet: _Quiet = False,
    as_json: _Json = False,
) -> None:
    """Find the fastest session settings for this machine.

    Those that change no token; they are written into the artifact.
    """
    from olivepress.pipeline.console import ConsoleReporter
    from olivepress.pipeline.tune import reset as put_back
    from olivepress.pipeline.tune import summary

    directories = directories_of(target, data, job, trust_targets)
    if reset:
        shas = {str(directory): put_back(directory).sha256 for directory in directories}
        lines = [f"{path}: as shipped, sha256 {sha256[:12]}" for path, sha256 in shas.items()]
        print(json.dumps(shas, indent=2) if as_json else "\n".join(lines))
        return
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        found = tune_all(directories, budget, teller(reporter, "tune"))
    if as_json:
        print(json.dumps(summary(found), indent=2))
        return
    for directory, tuning in found.items():
        _print_tuning(directory, tuning)


def tune_all(directories: Iterable[Path], budget_s: float, tell: Any) -> dict[Path, Tuning]:
    """Tune one artifact after the other."""
    from olivepress.pipeline.tune import tune as tune_artifact

    return {directory: tune_artifact(directory, budget_s=budget_s, tell=tell) for directory in directories}


def directories_of(target: str, data: str | None, job: str | None, trust_targets: bool = False) -> list[Path]:
    """The artifact, or the recipe's exports that run here. Raises UsageError for a bundle."""
    if target.lower().endswith(".zip"):
        raise UsageError(f"{target}: a bundle is sealed", next_step="unzip it, olivepress tune artifact")
    path = Path(target)
    if (path / "manifest.json").is_file() or (path / "genai_config.json").is_file():
        if job is not None or data is not None or trust_targets:
            raise UsageError(
                f"--job, --data and --trust-targets are for a recipe, and {target} is not a recipe",
                next_step="olivepress tune --help",
            )
        return [path]
    from olivepress.pipeline.tune import tunable
    from olivepress.pipeline.verbs import load_plan

    return [
        found for plan in load_plan(target, data=data, trust_targets=trust_targets).all for found in tunable(plan, job)
    ]


def profile(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="An exported artifact, or a package.")],
    adapter: Annotated[
        str | None, typer.Option("--adapter", metavar="NAME", help="Of the package; the base alone when left out.")
    ] = None,
    workload: Annotated[
        str | None, typer.Option("--workload", metavar="PxG", help="Prompt x generated tokens, as 128x48.")
    ] = None,
    quiet: _Quiet = False,
    as_json: _Json = False,
) -> None:
    """Show the kernels that a token's time goes into.

    By ONNX Runtime's profiler, prefill and decode apart.
    """
    from olivepress.pipeline.console import ConsoleReporter
    from olivepress.pipeline.profile import profile as profile_artifact

    shape = workload_of(workload) if workload else None
    if shape is not None and shape.prompt_tokens is None:
        raise UsageError("--workload: expected PxG as 128x48, a profile has no dataset")
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        found = profile_artifact(directory, adapter=adapter, workload=shape, tell=teller(reporter, "measure"))
    if as_json:
        print(found.model_dump_json(indent=2))
        return
    _print_profile(directory, found)


def workload_of(text: str) -> Workload:
    """``128x128`` or ``datasetx32``. UsageError for anything else."""
    from olivepress.measure.latency.latency import Workload

    prompt, _, generated = text.partition("x")
    try:
        return Workload(prompt_tokens=None if prompt == "dataset" else int(prompt), generated_tokens=int(generated))
    except ValueError:
        raise UsageError(f"--workload {text!r}: expected PxG as 128x128 or datasetx32, at least 1x2") from None


def teller(reporter: Any, verb: str = "measure") -> Callable[[str, str, int, int], None]:
    """Progress on the console: one line for each stage of each artifact."""
    shown = ""

    def tell(job: str, stage: str, done: int, total: int) -> None:
        nonlocal shown
        title = f"{verb} {stage}, {job if job != 'all' else 'interleaved'}"
        if title != shown:
            reporter.begin(title)
            shown = title
        reporter.update(stage, done, total)

    return tell


def _print_tuning(directory: Path, tuning: Tuning) -> None:
    from rich.table import Table

    before = f"{directory}: {tuning.workload}, {len(tuning.alternatives)} alternatives in {tuning.spent_s:.0f} s"
    print(f"{before} on {tuning.machine.id}, shipped with {tuning.shipped_threads} threads")
    table = Table(box=None, padding=(0, 1), show_edge=False)
    for title in ("searched", "set", "decode", "prefill", "together (95 %)", "verdict"):
        table.add_column(title, overflow="fold", no_wrap=title == "searched")
    rows = [*tuning.alternatives, *([tuning.confirmed] if tuning.confirmed else [])]
    for one in rows:
        table.add_row(*_row(one))
    if rows:
        _show(table)
    for axis, why in tuning.not_searched.items():
        print(f"not searched: {axis}: {why}; next: --budget {2 * tuning.budget_s:.0f}")
    settled = "kept as shipped" if tuning.winner is None else f"written: {tuning.winner.text}"
    print(f"{settled}; {tuning.why}")
    same = f"{tuning.answers} greedy answers ({tuning.answer_tokens} tokens) in every process"
    print(f"held to the shipped settings' tokens: {same}; record: {directory / 'tuning.json'}")


def _row(one: Alternative) -> tuple[str, ...]:
    from olivepress.catalog.session_axes import Options

    before = one.against.session | one.against.provider
    new = {
        key: value for key, value in (one.options.session | one.options.provider).items() if before.get(key) != value
    }
    shown = " ".join(f"{key}={value}" for key, value in new.items()) or Options().text
    interval = _percent(one.score)
    if one.score.ci_low is not None and one.score.ci_high is not None:
        interval += f" ({_signed(one.score.ci_low)} to {_signed(one.score.ci_high)}), n={one.score.n}"
    verdict = f"{one.verdict}: {one.reason}" if one.reason else one.verdict
    return one.axis, shown, _percent(one.decode_ratio), _percent(one.prefill_ratio), interval, verdict


def _percent(ratio: Measurement) -> str:
    return "–" if ratio.value is None else f"{_signed(ratio.value)} %"


def _signed(ratio: float) -> str:
    return f"{100 * (ratio - 1):+.1f}"


def _print_profile(directory: Path, found: KernelProfile) -> None:
    with_adapter = f" with adapter {found.adapter}" if found.adapter else ""
    head = f"{directory}{with_adapter}: {found.workload} on {found.machine.id}, {found.threads} threads"
    print(f"{head}, {found.rounds} rounds of {found.repetitions}")
    for phase in found.phases:
        _print_phase(phase)
    slow = [f"{name} {_times(value)}" for name, value in (
        ("prefill", found.slowdown_prefill), ("decode", found.slowdown_decode))]  # fmt: skip
    print(f"\nthe profiler itself slows the run: {', '.join(slow)}")
    print("the times above are of the slowed run; the more it slows, the more the shares of short kernels say too much")
    print(f"without it: TTFT {found.ttft_ms.value:.4g} ms, a token {found.step_ms.value:.4g} ms")


def _times(ratio: Measurement) -> str:
    interval = f" ({ratio.ci_low:.2f} to {ratio.ci_high:.2f})" if ratio.ci_low and ratio.ci_high else ""
    return f"x {ratio.value:.2f}{interval}"


def _print_phase(phase: Phase) -> None:
    """Kernels by their share; those too small to matter in one line."""
    from rich.table import Table

    from olivepress.catalog.provider import short_provider

    total = phase.us_per_token
    print(f"\n{phase.phase}: {_us(total)} us a token, n={phase.n_tokens} tokens in {phase.n_runs} runs of the graph")
    table = Table(box=None, padding=(0, 1), show_edge=False)
    for title in ("kernel", "on", "nodes", "share", "us a token", "us a call", "calls a run", "weights", "GB/s"):
        table.add_column(title, justify="left" if title in ("kernel", "on") else "right", no_wrap=True)
    small = [kernel for kernel in phase.kernels if kernel.share < _SMALL]
    per_run = phase.n_tokens / phase.n_runs
    for kernel in phase.kernels[: len(phase.kernels) - len(small)]:
        table.add_row(
            kernel.op_type,
            short_provider(kernel.provider),
            str(kernel.nodes),
            f"{100 * kernel.share:.1f} %",
            _us(kernel.us_per_token),
            f"{kernel.us_per_call:.1f}",
            f"{kernel.calls_per_run:g}",
            *_read(kernel.weight_bytes, (kernel.us_per_token.value or 0.0) * per_run),
        )
    if small:
        nodes, us = sum(k.nodes for k in small), sum(k.us_per_token.value or 0.0 for k in small)
        share = f"{100 * sum(k.share for k in small):.1f} %"
        table.add_row(f"{len(small)} smaller kinds", "", str(nodes), share, f"{us:.4g}", "", "", "", "")
    outside = phase.outside_us_per_token
    table.add_row("outside of kernels", "", "", f"{100 * outside / (total.value or 1.0):.1f} %", f"{outside:.4g}")
    _show(table)


def _read(weight_bytes: int | None, us_per_run: float) -> tuple[str, str]:
    """(MB of weights a run, GB/s at which they were read): blank where there are none, ``–`` where it is not known."""
    if weight_bytes is None:
        return "–", "–"
    if weight_bytes < 1000 or not us_per_run:
        return "", ""
    return f"{weight_bytes / 1e6:.3g} MB", f"{weight_bytes / us_per_run / 1e3:.3g}"


def _us(found: Measurement) -> str:
    interval = f" ({found.ci_low:.4g} to {found.ci_high:.4g})" if found.ci_low is not None else ""
    return f"{found.value:.4g}{interval}"


def _show(table: Any) -> None:
    from rich.console import Console

    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160).print(table)
