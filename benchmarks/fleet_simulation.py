"""Simulated devices: nothing is measured, the numbers are drawn. Keys, signatures and files are real."""

from __future__ import annotations

import functools
import hashlib
import random
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.bundle.archive import hash_of, write_archive
from olivepress.bundle.contents import Bundle, CarriedReport
from olivepress.core.artifact import hash_file
from olivepress.recipe.schema import Benchmark
from olivepress.registry.signatures import key_id, secret_key, signature_path
from olivepress.report.device_report import DatasetUsed, DeviceReport, LatencySample, measured, write_report
from olivepress.report.examples import write_examples
from olivepress.report.machine import Machine
from olivepress.report.task_metrics import Example

__all__ = ["CLASSES", "Simulated", "bundle_file", "report_file"]

CLASSES: Mapping[str, float] = {"kiosk": 20.0, "laptop": 45.0, "gateway": 8.0, "workstation": 90.0}
"""Class → tokens per second of its median machine."""
_ROUNDS, _STEPS = 10, 127


def bundle_file(path: Path, artifact: str = "c") -> str:
    """A bundle without a model in it; its sha256. ``artifact``: the digit that its artifact's hash repeats."""
    text = b"simulated\n"
    contents = Bundle(
        recipe="tickets", job="export-cpu-int4", artifact_sha256=artifact * 64,
        execution_provider="CPUExecutionProvider", dataset="tickets", dataset_version="ab" * 32, ids_only=False,
        benchmark=Benchmark(), outcomes={}, files={"text.txt": hash_of(text)},
    )  # fmt: skip
    write_archive(path, contents, {"text.txt": text}, lambda *_: None)
    return hash_file(path).sha256


@dataclass(frozen=True, kw_only=True)
class Simulated:
    """What a report says. ``wrong``: of the questions, those that were answered wrongly."""

    bundle_sha256: str
    decode_tps: float
    artifact: str = "c"
    created_at: str = "2026-11-20T08:00:00+00:00"
    processor: str = "x86_64-simulated-2c"
    questions: int = 40
    wrong: frozenset[int] = frozenset({0, 1})
    peak_memory_bytes: float = 1.5e9
    samples: bool = False
    seed: int = 0
    changes: Mapping[str, Any] | None = None


def report_file(path: Path, key_file: Path, simulated: Simulated) -> Path:
    """The carried report of a device and its signature; the files between are removed again."""
    with secret_key(key_file, "") as key:
        report = _write(path.with_suffix(".json"), key_id(bytes(key.get_public_key())), simulated)
        assert report.source is not None and report.examples_file is not None
        sources = {each.name: each for each in (report.source, report.source.with_name(report.examples_file))}
        contents = CarriedReport(
            report=report.source.name, files={name: hash_of(source) for name, source in sources.items()}
        )
        write_archive(path, contents, dict(sources), lambda *_: None)
        for source in sources.values():
            source.unlink()
        signature_path(path).write_bytes(bytes(key.sign(path.read_bytes(), trusted_comment=f"file:{path.name}")))
    return path


def _write(path: Path, key: str, simulated: Simulated) -> DeviceReport:
    answers = _answers(simulated.questions, simulated.wrong)
    sha256 = hashlib.sha256(answers).hexdigest()
    name = f"{path.stem}.{sha256[:12]}.examples.jsonl"
    path.with_name(name).write_bytes(answers)
    right = len(set(range(simulated.questions)) - simulated.wrong)
    rate = simulated.decode_tps
    fields: dict[str, Any] = {
        "recipe": "tickets",
        "job": "export-cpu-int4",
        "artifact_sha256": simulated.artifact * 64,
        "runtime": "onnxruntime-genai",
        "execution_provider": "CPUExecutionProvider",
        "device": "cpu",
        "precision": "int4",
        "machine": _machine(simulated.processor),
        "dataset": DatasetUsed(
            name="tickets", version="ab" * 32, split="test", n=simulated.questions, of=simulated.questions
        ),
        "created_at": simulated.created_at,
        "settings": {"bundle_sha256": simulated.bundle_sha256, "signing_key": key},
        "headline_workload": None,
        "workloads": (),
        "metrics": {
            "exact_match": measured("exact_match", right / simulated.questions, n=simulated.questions),
            "decode_tps": measured("decode_tps", rate, n=30),
            "ttft_ms": measured("ttft_ms", 2000 / rate, n=30),
            "noise_floor": measured("noise_floor", 0.01, n=10),
            "peak_memory_bytes": measured("peak_memory_bytes", simulated.peak_memory_bytes, n=1),
            "size_on_disk_bytes": measured("size_on_disk_bytes", 2.5e8, n=1),
        },
        "samples": _samples(simulated) if simulated.samples else (),
        "examples_file": name,
        "examples_sha256": sha256,
        "emulated": False,
        "random_weights": False,
    }
    return write_report(DeviceReport(**(fields | dict(simulated.changes or {}))), path)


@functools.lru_cache(maxsize=64)
def _answers(questions: int, wrong: frozenset[int]) -> bytes:
    """The file of the answers, as a device writes it; scoring them takes longer than all the rest of a report."""
    answered = [
        Example(id=f"q{number:05d}", output="no" if number in wrong else "yes", expected="yes")
        for number in range(questions)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        name, _ = write_examples(answered, Path(scratch, "report.json"))
        return Path(scratch, name).read_bytes()


def _machine(processor: str) -> Machine:
    return Machine(
        id=processor, cpu="Simulated", architecture="x86_64", physical_cores=2, logical_cores=2,
        memory_bytes=8_000_000_000, os="Linux 6", python="3.11.7", packages={"onnxruntime": "1.0"},
    )  # fmt: skip


def _samples(simulated: Simulated) -> tuple[LatencySample, ...]:
    """Raw samples, so that the file is as large as a real one."""
    rng = random.Random(simulated.seed)
    return tuple(
        LatencySample(
            workload="128x32", round=number, repetition=repetition, ttft_ms=100.0 * rng.uniform(0.99, 1.01),
            request_ttft_ms=110.0,
            step_ms=tuple(1e3 / simulated.decode_tps * rng.uniform(0.98, 1.02) for _ in range(_STEPS)),
        )
        for number in range(_ROUNDS)
        for repetition in range(3)
    )  # fmt: skip
