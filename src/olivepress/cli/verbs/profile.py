"""``olivepress profile``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from olivepress.cli.console import ConsoleReporter, job_progress, print_table
from olivepress.cli.options import JsonOption, QuietOption
from olivepress.cli.workload import workload_of
from olivepress.core.errors import UsageError

if TYPE_CHECKING:
    from olivepress.measure.latency.kernel_profile import KernelProfile, Phase
    from olivepress.report.device_report import Measurement

__all__ = ["profile"]

_SMALL = 0.005  # kernels below this share are added up in one line of the table


def profile(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="An exported artifact, or a package.")],
    adapter: Annotated[
        str | None,
        typer.Option("--adapter", metavar="NAME", help="An adapter of the package; without it, the base alone."),
    ] = None,
    workload: Annotated[
        str | None, typer.Option("--workload", metavar="PxG", help="Prompt x generated tokens, such as 128x48.")
    ] = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show the kernels that the time of a token goes into.

    Measured by ONNX Runtime's profiler, prefill and decode separately.
    """
    from olivepress.pipeline.profile import profile as profile_artifact

    shape = workload_of(workload) if workload else None
    if shape is not None and shape.prompt_tokens is None:
        raise UsageError("--workload: expected PxG as 128x48, a profile has no dataset")
    with ConsoleReporter(quiet=quiet or as_json) as reporter:
        result = profile_artifact(directory, adapter=adapter, workload=shape, on_progress=job_progress(reporter))
    if as_json:
        print(result.model_dump_json(indent=2))
        return
    _print_profile(directory, result)


def _print_profile(directory: Path, result: KernelProfile) -> None:
    with_adapter = f" with adapter {result.adapter}" if result.adapter else ""
    head = f"{directory}{with_adapter}: {result.workload} on {result.machine.id}, {result.threads} threads"
    print(f"{head}, {result.rounds} rounds of {result.repetitions}")
    for phase in result.phases:
        _print_phase(phase)
    slowdown = f"prefill {_times(result.slowdown_prefill)}, decode {_times(result.slowdown_decode)}"
    print(f"\nthe profiler itself slows the run: {slowdown}")
    print("the times above include this slowdown; the larger it is, the more it overstates the shares of short kernels")
    print(f"without it: TTFT {result.ttft_ms.value:.4g} ms, a token {result.step_ms.value:.4g} ms")


def _times(ratio: Measurement) -> str:
    interval = f" ({ratio.ci_low:.2f} to {ratio.ci_high:.2f})" if ratio.ci_low and ratio.ci_high else ""
    return f"x {ratio.value:.2f}{interval}"


def _print_phase(phase: Phase) -> None:
    """Kernels by their share; those too small to matter in one line."""
    from rich.table import Table

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
            kernel.provider.removesuffix("ExecutionProvider"),
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
    print_table(table)


def _read(weight_bytes: int | None, us_per_run: float) -> tuple[str, str]:
    """(MB of weights a run, GB/s at which they were read): blank without weights, ``–`` where it is not known."""
    if weight_bytes is None:
        return "–", "–"
    if weight_bytes < 1000 or not us_per_run:
        return "", ""
    return f"{weight_bytes / 1e6:.3g} MB", f"{weight_bytes / us_per_run / 1e3:.3g}"


def _us(time: Measurement) -> str:
    interval = f" ({time.ci_low:.4g} to {time.ci_high:.4g})" if time.ci_low is not None else ""
    return f"{time.value:.4g}{interval}"
