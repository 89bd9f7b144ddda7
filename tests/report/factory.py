"""A complete DeviceReport by hand, for tests that need one and measure nothing."""

from __future__ import annotations

from typing import Any

from olivepress.report.device_report import (
    DatasetUsed,
    DeviceReport,
    LatencySample,
    WorkloadResult,
    measured,
    not_measured,
)
from olivepress.report.machine import Machine

MACHINE = Machine(
    id="x86_64-test-2c",
    cpu="Test CPU",
    architecture="x86_64",
    physical_cores=2,
    logical_cores=2,
    memory_bytes=8_000_000_000,
    os="Linux 6",
    python="3.11.7",
    packages={"numpy": "2.4.6"},
)


def make_report(**changes: Any) -> DeviceReport:
    metrics = {
        "exact_match": measured("exact_match", 0.5, n=4, interval=(0.15, 0.85)),
        "kl_divergence": not_measured("kl_divergence", "no reference of the parent was given"),
        "ttft_ms": measured("ttft_ms", 12.5, n=3, interval=(12.0, 13.0)),
        "prefill_tps": measured("prefill_tps", 2560.0, n=3),
        "decode_tps": measured("decode_tps", 130.25, n=3),
        "load_ms": measured("load_ms", 55.0, n=1),
        "peak_memory_bytes": measured("peak_memory_bytes", 1.5e9, n=1),
        "size_on_disk_bytes": measured("size_on_disk_bytes", 2.5e6, n=1),
    }
    fields: dict[str, Any] = {
        "recipe": "tiny",
        "job": "cpu-int4",
        "artifact_sha256": "c" * 64,
        "runtime": "onnxruntime-genai",
        "execution_provider": "CPUExecutionProvider",
        "device": "cpu",
        "precision": "int4",
        "machine": MACHINE,
        "dataset": DatasetUsed(name="lamps", version="ab" * 32, split="test", n=4, of=4),
        "created_at": "2026-11-20T00:00:00+00:00",
        "settings": {"repetitions": 3},
        "headline_workload": "32x2",
        "workloads": (WorkloadResult(name="32x2", prompt_tokens=32, generated_tokens=2, metrics=metrics),),
        "metrics": metrics,
        "samples": (
            LatencySample(workload="32x2", round=0, repetition=0, ttft_ms=1, request_ttft_ms=2, step_ms=(0.1,)),
        ),
        "examples_file": None,
        "examples_sha256": None,
        "emulated": False,
        "random_weights": False,
    }
    return DeviceReport(**(fields | changes))
