"""What a bench measures: a model folder, the runtime that opens it, and what the report states about its origin."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from olivepress.catalog.provider import CPU
from olivepress.recipe.methods import FourBit
from olivepress.report.device_report import Runtime

__all__ = ["JobCosts", "Subject"]

PARENT_REASON = "the PyTorch parent is measured for accuracy only"
EMULATED_REASON = "the device is emulated: its times say nothing about the real one"


@dataclass(frozen=True, kw_only=True)
class JobCosts:
    """Seconds and bytes of the jobs that produced an artifact, from their manifests; None where a manifest is missing.

    ``train_*`` belong to the fine-tuning job, ``build_s`` is the sum over merge and export.
    """

    train_s: float | None = None
    train_peak_memory_bytes: int | None = None
    build_s: float | None = None


@dataclass(frozen=True, kw_only=True)
class Subject:
    """One model to measure.

    ``few_shot`` is the number of examples before every question. ``four_bit`` describes how the base below an adapter
    is quantized. ``interpreter`` is the Python of the environment that has the runtime, None for the current one.
    ``min_placed`` (share of nodes) and ``max_cpu_nodes`` are the target's limits on node placement.
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
    job_costs: JobCosts = JobCosts()

    @property
    def no_latency_reason(self) -> str | None:
        """The reason why latency is not measured, None when it is."""
        if self.runtime == "pytorch":
            return PARENT_REASON
        if self.emulated:
            return EMULATED_REASON
        return None
