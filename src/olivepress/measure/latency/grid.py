"""Latency in rounds: in each round every workload of every artifact runs once, each in a process of its own.

Interleaved, so that whatever the machine does meanwhile hits all of them alike, and two artifacts of one sitting can
be compared round by round. Every second round runs backwards: coming first or last must not favour anyone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from olivepress.catalog.provider import CPU
from olivepress.core.errors import OlivepressError, SetupError
from olivepress.core.progress import StageProgress
from olivepress.data.store.examples import Message
from olivepress.measure.bench_session import Sitting
from olivepress.measure.latency.latency import LatencySpec, Workload
from olivepress.recipe.methods import FourBit
from olivepress.report.cell_metrics import cell_metrics
from olivepress.report.device_report import (
    LatencySample,
    Measurement,
    ProcessSample,
    Runtime,
    WorkloadResult,
    measured,
    not_measured,
)
from olivepress.report.registry import in_group
from olivepress.runtimes.chat_template.prompts import context_length
from olivepress.stats.intervals import bootstrap_median

__all__ = ["Cell", "Spent", "Subject", "headline", "headline_metrics", "measure_rounds"]

HEADLINE = "128x128"  # the cell whose numbers stand for the model; else the largest that was measured
DESK_ONLY = "the PyTorch parent is measured for accuracy only"
EMULATED = "the device is emulated: its times say nothing about the real one"


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What the jobs that led to an artifact took, as their manifests say; None where they are not here."""

    train_s: float | None = None
    train_peak_memory_bytes: int | None = None
    build_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is measured: a model folder, how it runs, and what the report must say of it.

    ``few_shot`` examples stand before every question. ``four_bit`` is how the base below an adapter is quantized.
    ``interpreter`` is the Python of the environment that has its runtime, None for this one; ``min_placed`` and
    ``max_cpu_nodes`` are what its target promises of the placement.
    """

    model_dir: Path
    runtime: Runtime
    recipe: str
    job: str
    artifact_sha256: str
    execution_provider: str = CPU.name
    device: Literal["cpu", "gpu", "npu"] = "cpu"
    precision: str = "fp32"
    adapter_dir: Path | None = None
    four_bit: FourBit | None = None
    reference_dir: Path | None = None
    few_shot: int = 0
    interpreter: Path | None = None
    min_placed: float = 1.0
    max_cpu_nodes: int | None = None
    emulated: bool = False
    random_weights: bool = False
    git_commit: str | None = None
    spent: Spent = Spent()

    @property
    def no_latency(self) -> str | None:
        """Why its times are not measured, or None when they are."""
        if self.runtime == "pytorch":
            return DESK_ONLY
        return EMULATED if self.emulated else None


@dataclass(kw_only=True)
class Cell:
    """One workload of one artifact, filled round by round; ``failures`` are the reasons of processes that died."""

    workload: Workload
    prompt_tokens: int | None = None
    samples: list[LatencySample] = field(default_factory=list)
    processes: list[ProcessSample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    reasons: dict[str, str | None] = field(default_factory=dict)
    runtime_device: str | None = None

    def result(self) -> WorkloadResult:
        """Its metrics, or the reason why there are none."""
        reason = None if self.samples else (self.failures or ["it was not run"])[0]
        tokens = self.prompt_tokens or self.workload.prompt_tokens or 1
        metrics = (
            cell_metrics(self.samples, self.processes, prompt_tokens=tokens, reasons=self.reasons)
            if self.samples
            else {name: not_measured(name, str(reason)) for name in in_group("latency")}
        )
        return WorkloadResult(
            name=self.workload.name,
            prompt_tokens=tokens,
            generated_tokens=self.workload.generated_tokens,
            metrics=metrics,
            reason=reason,
        )


def measure_rounds(
    subjects: Sequence[tuple[Subject, Sitting]],
    workloads: Sequence[Workload],
    *,
    rounds: int,
    repetitions: int,
    warmups: int = 1,
    messages: tuple[Message, ...] | None = None,
    no_messages: str = "no dataset was given",
    allow_fallback: bool = False,
    timeout_s: float | None = None,
    tell: StageProgress = lambda *_: None,
) -> list[list[Cell]]:
    """Every workload of every subject in every round; one list of cells per subject, in the order given.

    A process that dies costs that workload that round; a workload that fails in its first round is not tried again.
    ``messages`` is the dataset's prompt for the workload without a length; ``no_messages`` why there is none.
    """
    cells = [[_cell(subject, workload, messages, no_messages) for workload in workloads] for subject, _ in subjects]
    todo = [(s, w) for s in range(len(subjects)) for w in range(len(workloads)) if not cells[s][w].failures]
    order, total = 0, rounds * len(todo)
    for number in range(rounds):
        for s, w in todo if number % 2 == 0 else reversed(todo):
            tell("latency", order, total)
            order += 1
            subject, sitting = subjects[s]
            cell = cells[s][w]
            if cell.failures and not cell.samples:
                continue
            spec = LatencySpec(
                model_dir=subject.model_dir,
                workload=cell.workload,
                round=number,
                repetitions=repetitions,
                warmups=warmups,
                execution_provider=subject.execution_provider,
                allow_fallback=allow_fallback,
                messages=messages if cell.workload.prompt_tokens is None else None,
            )
            _measure(cell, sitting, spec, order, timeout_s)
    tell("latency", total, total)
    return cells


def _cell(subject: Subject, workload: Workload, messages: tuple[Message, ...] | None, missing: str) -> Cell:
    """An empty cell, or one with the reason that is known without paying for a load."""
    limit = context_length(subject.model_dir)
    total = (workload.prompt_tokens or 1) + workload.generated_tokens
    reason = subject.no_latency
    if reason is None and limit is not None and total > limit:
        reason = f"{total} tokens, the model's context holds {limit}"
    if reason is None and workload.prompt_tokens is None and messages is None:
        reason = missing
    return Cell(workload=workload, failures=[reason] if reason else [])


def _measure(cell: Cell, sitting: Sitting, spec: LatencySpec, order: int, timeout_s: float | None) -> None:
    try:
        found: Mapping[str, Any] = sitting.run("latency", spec.model_dump(mode="json"), timeout_s=timeout_s)
    except OlivepressError as error:
        if isinstance(error, SetupError):  # the runtime is missing: no cell can be measured
            raise
        cell.failures.append(error.message)
        return
    cell.samples += [LatencySample.model_validate(sample) for sample in found["samples"]]
    cell.processes.append(ProcessSample.model_validate(found["process"] | {"order": order}))
    cell.prompt_tokens = int(found["prompt_tokens"])
    cell.runtime_device = str(found["runtime_device"])
    cell.reasons = dict(found["reasons"])


def headline(results: Sequence[WorkloadResult]) -> str | None:
    """Name of the workload that stands for the model; None when none was measured."""
    done = [result for result in results if result.reason is None]
    if any(result.name == HEADLINE for result in done):
        return HEADLINE
    largest = max(done, key=lambda r: r.prompt_tokens + r.generated_tokens, default=None)
    return largest.name if largest else None


def headline_metrics(
    results: Sequence[WorkloadResult], processes: Sequence[ProcessSample], reason: str
) -> dict[str, Measurement]:
    """The headline cell's metrics, but load over all processes (each loaded once) and the largest peak of any cell."""
    name = headline(results)
    chosen = next((result for result in results if result.name == name), None)
    if chosen is None:
        why = next((result.reason for result in results if result.reason), None) or reason
        return {name: not_measured(name, why) for name in in_group("latency")}
    loads = [process.load_ms for process in processes]
    peak = max(process.peak_memory_bytes for process in processes)
    return {
        **chosen.metrics,
        "load_ms": measured("load_ms", float(np.median(loads)), n=len(loads), interval=bootstrap_median(loads)),
        "peak_memory_bytes": measured("peak_memory_bytes", float(peak), n=len(processes)),
    }
