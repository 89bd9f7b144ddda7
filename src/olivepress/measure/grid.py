"""The latency grid of one model: each workload in a process of its own, and the cell that stands for the model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from olivepress.errors import OlivepressError
from olivepress.measure.child import run_child
from olivepress.measure.intervals import bootstrap_median
from olivepress.measure.latency import LATENCY_METRICS, Workload, cell_metrics
from olivepress.measure.prompts import context_length
from olivepress.measure.report import LatencySample, Measurement, Runtime, WorkloadResult, measured, not_measured

__all__ = ["BenchProgress", "Cell", "Subject", "headline", "headline_metrics", "measure_grid"]

BenchProgress = Callable[[str, int, int], None]  # (stage, done, total)
HEADLINE = "128x128"  # the cell whose numbers stand for the model; else the largest that was measured
DESK_ONLY = "the PyTorch parent is measured for accuracy only"
EMULATED = "the device is emulated: its times say nothing about the real one"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is measured: a model folder, how it runs, and what the report must say of it."""

    model_dir: Path
    runtime: Runtime
    recipe: str
    job: str
    artifact_sha256: str
    execution_provider: str
    device: Literal["cpu", "gpu", "npu"]
    precision: str
    adapter_dir: Path | None
    emulated: bool
    random_weights: bool

    @property
    def no_latency(self) -> str | None:
        """Why its times are not measured, or None when they are."""
        if self.runtime == "pytorch":
            return DESK_ONLY
        return EMULATED if self.emulated else None


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One workload's result with its raw samples; ``runtime_device`` is where the runtime says it ran."""

    result: WorkloadResult
    samples: tuple[LatencySample, ...] = ()
    runtime_device: str | None = None


def measure_grid(
    subject: Subject,
    workloads: Sequence[Workload],
    *,
    repetitions: int,
    warmups: int,
    timeout_s: float | None,
    tell: BenchProgress,
) -> list[Cell]:
    """Measure every workload; one that cannot be measured has its reason instead of numbers."""
    if subject.no_latency:
        return [_failed(workload, subject.no_latency) for workload in workloads]
    cells = []
    for done, workload in enumerate(workloads):
        tell("latency", done, len(workloads))
        cells.append(_cell(subject, workload, repetitions, warmups, timeout_s))
    tell("latency", len(workloads), len(workloads))
    return cells


def _cell(subject: Subject, workload: Workload, repetitions: int, warmups: int, timeout_s: float | None) -> Cell:
    limit = context_length(subject.model_dir)
    if limit is not None and workload.total > limit:  # known without paying for a load
        return _failed(workload, f"{workload.total} tokens, the model's context holds {limit}")
    spec = {
        "model_dir": str(subject.model_dir),
        "workload": workload.model_dump(),
        "repetitions": repetitions,
        "warmups": warmups,
        "execution_provider": subject.execution_provider,
    }
    try:
        found = run_child("latency", spec, timeout_s=timeout_s)
    except OlivepressError as error:
        return _failed(workload, error.message)
    samples = tuple(LatencySample.model_validate(sample) for sample in found["samples"])
    metrics = cell_metrics(
        samples,
        prompt_tokens=workload.prompt_tokens,
        load_ms=found["load_ms"],
        peak_memory_bytes=found["peak_memory_bytes"],
    )
    result = WorkloadResult(
        name=workload.name,
        prompt_tokens=workload.prompt_tokens,
        generated_tokens=workload.generated_tokens,
        metrics=metrics,
    )
    return Cell(result=result, samples=samples, runtime_device=found["runtime_device"])


def _failed(workload: Workload, reason: str) -> Cell:
    return Cell(
        result=WorkloadResult(
            name=workload.name,
            prompt_tokens=workload.prompt_tokens,
            generated_tokens=workload.generated_tokens,
            metrics={name: not_measured(name, reason) for name in LATENCY_METRICS},
            reason=reason,
        )
    )


def headline(cells: Sequence[Cell]) -> str | None:
    """Name of the workload that stands for the model; None when none was measured."""
    done = [cell.result for cell in cells if cell.result.reason is None]
    if any(result.name == HEADLINE for result in done):
        return HEADLINE
    largest = max(done, key=lambda r: r.prompt_tokens + r.generated_tokens, default=None)
    return largest.name if largest else None


def headline_metrics(cells: Sequence[Cell], name: str | None, reason: str) -> dict[str, Measurement]:
    """The headline cell's metrics, but load over all processes (each loaded once) and the largest peak of any cell."""
    done = [cell.result for cell in cells if cell.result.reason is None]
    chosen = next((result for result in done if result.name == name), None)
    if chosen is None:
        why = next((cell.result.reason for cell in cells if cell.result.reason), None) or reason
        return {name: not_measured(name, why) for name in LATENCY_METRICS}
    loads = [float(r.metrics["load_ms"].value or 0.0) for r in done]
    peaks = [float(r.metrics["peak_memory_bytes"].value or 0.0) for r in done]
    return {
        **chosen.metrics,
        "load_ms": measured("load_ms", float(np.median(loads)), n=len(loads), interval=bootstrap_median(loads)),
        "peak_memory_bytes": measured("peak_memory_bytes", max(peaks), n=len(peaks)),
    }
