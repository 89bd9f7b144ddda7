"""A cell of the latency grid, one workload of one model, and the cell whose numbers stand for the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from olivepress.measure.latency.latency import Workload
from olivepress.report.cell_metrics import cell_metrics
from olivepress.report.device_report import (
    LatencySample,
    Measurement,
    ProcessSample,
    WorkloadResult,
    measured,
    not_measured,
)
from olivepress.report.registry import in_group
from olivepress.stats.intervals import bootstrap_median

__all__ = ["Cell", "headline", "headline_metrics"]

HEADLINE = "128x128"  # the workload whose numbers stand for the model; without it, the largest that was measured


@dataclass(kw_only=True)
class Cell:
    """One workload of one model, filled round by round; ``failures`` are the reasons of failed processes."""

    workload: Workload
    prompt_tokens: int | None = None
    samples: list[LatencySample] = field(default_factory=list)
    processes: list[ProcessSample] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    reasons: dict[str, str | None] = field(default_factory=dict)
    runtime_device: str | None = None

    def result(self) -> WorkloadResult:
        """The metrics of the cell, each null with the reason of the first failure when no process succeeded."""
        tokens = self.prompt_tokens or self.workload.prompt_tokens or 1
        reason = None
        if self.samples:
            metrics = cell_metrics(self.samples, self.processes, prompt_tokens=tokens, reasons=self.reasons)
        else:
            reason = self.failures[0] if self.failures else "it was not run"
            metrics = {name: not_measured(name, reason) for name in in_group("latency")}
        return WorkloadResult(
            name=self.workload.name,
            prompt_tokens=tokens,
            generated_tokens=self.workload.generated_tokens,
            metrics=metrics,
            reason=reason,
        )


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
    """Metrics of the headline workload, with ``load_ms`` and ``peak_memory_bytes`` taken over all workloads.

    ``load_ms`` is the median over all processes, since each loaded the model once; the peak is the largest of any.
    Without a measured workload every metric is null with the first workload's reason, or ``reason``.
    """
    name = headline(results)
    chosen = next((result for result in results if result.name == name), None)
    if chosen is None:
        first_reason = next((result.reason for result in results if result.reason), None)
        return {name: not_measured(name, first_reason or reason) for name in in_group("latency")}
    loads = [process.load_ms for process in processes]
    peak = max(process.peak_memory_bytes for process in processes)
    return {
        **chosen.metrics,
        "load_ms": measured("load_ms", float(np.median(loads)), n=len(loads), interval=bootstrap_median(loads)),
        "peak_memory_bytes": measured("peak_memory_bytes", float(peak), n=len(processes)),
    }
