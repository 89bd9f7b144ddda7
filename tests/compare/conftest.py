from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from olivepress.measure.registry import METRICS
from olivepress.measure.report import DatasetUsed, DeviceReport, Measurement, WorkloadResult, write_report

MACHINE = {
    "id": "x86_64-test-2c",
    "cpu": "Test CPU",
    "architecture": "x86_64",
    "physical_cores": 2,
    "logical_cores": 2,
    "memory_bytes": 8_000_000_000,
    "os": "Linux 6",
    "python": "3.11.7",
    "packages": {},
}
WriteReport = Callable[..., Path]


def value(name: str, number: float, n: int = 4, low: float | None = None, high: float | None = None) -> Measurement:
    return Measurement(value=number, unit=METRICS[name].unit, n=n, ci_low=low, ci_high=high)


@pytest.fixture
def put(tmp_path: Path) -> WriteReport:
    """Write a report, with an examples file when ``outcomes`` (id → correct) are given; returns its path."""

    def write(
        job: str, *, outcomes: Mapping[str, bool] | None = None, version: str = "ab" * 32, **changes: Any
    ) -> Path:
        path = tmp_path / f"{hashlib.sha256(repr((job, version, changes)).encode()).hexdigest()[:8]}.json"
        examples, sha = None, None
        if outcomes is not None:
            text = "".join(json.dumps({"id": i, "correct": ok}) + "\n" for i, ok in outcomes.items())
            path.with_suffix(".examples.jsonl").write_text(text)
            examples, sha = f"{path.stem}.examples.jsonl", hashlib.sha256(text.encode()).hexdigest()
        null = Measurement(unit="nats", reason="no reference of the parent was given")
        metrics = {
            "exact_match": value("exact_match", 0.5, 4, 0.15, 0.85),
            "kl_divergence": null,
            "ttft_ms": value("ttft_ms", 12.5, 3, 12.0, 13.0),
            "prefill_tps": value("prefill_tps", 2560.0, 3),
            "decode_tps": value("decode_tps", 130.25, 3),
            "load_ms": value("load_ms", 55.0, 1),
            "peak_memory_bytes": value("peak_memory_bytes", 1.5e9, 1),
            "size_on_disk_bytes": value("size_on_disk_bytes", 2.5e6, 1),
        }
        fields: dict[str, Any] = {
            "recipe": "tiny",
            "job": job,
            "artifact_sha256": "c" * 64,
            "runtime": "onnxruntime-genai",
            "execution_provider": "CPUExecutionProvider",
            "device": "cpu",
            "precision": "int4",
            "machine": MACHINE,
            "dataset": DatasetUsed(name="lamps", version=version, split="test", n=4, of=4),
            "created_at": "2026-11-20T00:00:00+00:00",
            "settings": {},
            "headline_workload": "32x2",
            "workloads": (WorkloadResult(name="32x2", prompt_tokens=32, generated_tokens=2, metrics=metrics),),
            "metrics": metrics,
            "samples": (),
            "examples_file": examples,
            "examples_sha256": sha,
            "emulated": False,
            "random_weights": False,
        }
        write_report(DeviceReport.model_validate(fields | changes), path)
        return path

    return write
