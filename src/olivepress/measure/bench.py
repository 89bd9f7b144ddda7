"""Measures one model folder on this machine and writes its DeviceReport."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from olivepress.errors import JobError
from olivepress.measure.accuracy import Example, task_metrics
from olivepress.measure.child import run_child
from olivepress.measure.dataset import Split, read_split
from olivepress.measure.fidelity import FIDELITY_METRICS
from olivepress.measure.grid import BenchProgress, Cell, Subject, headline, headline_metrics, measure_grid
from olivepress.measure.latency import DEFAULT_WORKLOADS, Workload, size_on_disk_bytes
from olivepress.measure.machine import fingerprint
from olivepress.measure.report import (
    DatasetUsed,
    DeviceReport,
    Measurement,
    Runtime,
    measured,
    not_measured,
    write_report,
    write_text,
)

__all__ = ["BenchProgress", "bench"]


def bench(
    *,
    model_dir: Path,
    runtime: Runtime,
    dataset_dir: Path | None,
    out_path: Path,
    recipe: str,
    job: str,
    artifact_sha256: str,
    execution_provider: str = "CPUExecutionProvider",
    device: Literal["cpu", "gpu", "npu"] = "cpu",
    precision: str = "fp32",
    workloads: Sequence[Workload] = DEFAULT_WORKLOADS,
    repetitions: int = 5,
    warmups: int = 1,
    limit: int | None = None,
    split: str = "test",
    reference_dir: Path | None = None,
    adapter_dir: Path | None = None,
    emulated: bool = False,
    random_weights: bool = False,
    timeout_s: float | None = None,
    progress: BenchProgress | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> DeviceReport:
    """Measure ``model_dir`` and write ``out_path`` (JSON) and ``<stem>.examples.jsonl`` beside it.

    Latency per workload, each in its own process (a crash costs that cell and is recorded); answers on ``split`` of the
    dataset (``limit`` rows spread over it; no dataset: null with the reason); fidelity when ``reference_dir`` is given.
    ``timeout_s`` bounds each latency process. Raises DataError for an unreadable dataset, JobError when the answers
    or the fidelity cannot be computed: a report must not look complete without them.
    """
    tell = progress or (lambda stage, done, total: None)
    if not model_dir.is_dir():
        raise JobError(f"{model_dir}: no such model folder", next_step="run the job first: olivepress run")
    subject = Subject(
        model_dir=model_dir,
        runtime=runtime,
        recipe=recipe,
        job=job,
        artifact_sha256=artifact_sha256,
        execution_provider=execution_provider,
        device=device,
        precision=precision,
        adapter_dir=adapter_dir,
        emulated=emulated,
        random_weights=random_weights,
    )
    data = read_split(dataset_dir, split, limit=limit) if dataset_dir is not None else None
    cells = measure_grid(subject, workloads, repetitions=repetitions, warmups=warmups, timeout_s=timeout_s, tell=tell)
    examples, budget = _answers(subject, dataset_dir, data, limit, tell)
    metrics = _metrics(subject, cells, examples) | _fidelity(subject, reference_dir, tell)
    settings = {"repetitions": repetitions, "warmups": warmups, "max_new_tokens": budget}
    report = _report(subject, cells, metrics, data, settings, now())
    if data is not None:
        name, sha256 = _write_examples(examples, out_path)
        report = report.model_copy(update={"examples_file": name, "examples_sha256": sha256})
    return write_report(report, out_path)


def _metrics(subject: Subject, cells: Sequence[Cell], examples: Sequence[Example]) -> dict[str, Measurement]:
    """Latency of the headline cell, size, and the metrics of the answers."""
    size = size_on_disk_bytes(subject.model_dir)
    return {
        **headline_metrics(cells, headline(cells), subject.no_latency or "no workload was asked for"),
        "size_on_disk_bytes": measured("size_on_disk_bytes", float(size), n=1),
        **task_metrics(examples),
    }


def _report(
    subject: Subject,
    cells: Sequence[Cell],
    metrics: dict[str, Measurement],
    data: Split | None,
    settings: dict[str, int | None],
    now: datetime,
) -> DeviceReport:
    placed = [cell.runtime_device for cell in cells if cell.runtime_device]
    return DeviceReport(
        recipe=subject.recipe,
        job=subject.job,
        artifact_sha256=subject.artifact_sha256,
        runtime=subject.runtime,
        execution_provider=subject.execution_provider,
        device=subject.device,
        precision=subject.precision,
        machine=fingerprint(),
        dataset=_dataset(data),
        created_at=now.astimezone(UTC).isoformat(timespec="seconds"),
        settings={
            **settings,
            "intra_op_num_threads": _threads(subject.model_dir),
            "runtime_device": placed[0] if placed else None,
        },
        headline_workload=headline(cells),
        workloads=tuple(cell.result for cell in cells),
        metrics=metrics,
        samples=tuple(sample for cell in cells for sample in cell.samples),
        examples_file=None,
        examples_sha256=None,
        emulated=subject.emulated,
        random_weights=subject.random_weights,
        synthetic_data=bool(data and data.synthetic),
    )


def _answers(
    subject: Subject, dataset_dir: Path | None, data: Split | None, limit: int | None, tell: BenchProgress
) -> tuple[list[Example], int | None]:
    if data is None:
        return [], None
    spec = {
        "model_dir": str(subject.model_dir),
        "runtime": subject.runtime,
        "dataset_dir": str(dataset_dir),
        "split": data.split,
        "limit": limit,
        "adapter_dir": str(subject.adapter_dir) if subject.adapter_dir else None,
    }
    found = run_child("answers", spec, progress=lambda done, total: tell("answers", done, total))
    return [Example(**example) for example in found["examples"]], int(found["max_new_tokens"])


def _fidelity(subject: Subject, reference_dir: Path | None, tell: BenchProgress) -> dict[str, Measurement]:
    if subject.runtime == "pytorch" or reference_dir is None:
        parent = "the PyTorch parent is what exports are held against"
        why = parent if subject.runtime == "pytorch" else "no reference of the parent was given"
        return {name: not_measured(name, why) for name in FIDELITY_METRICS}
    spec = {"model_dir": str(subject.model_dir), "reference_dir": str(reference_dir)}
    found = run_child("fidelity", spec, progress=lambda done, total: tell("fidelity", done, total))
    return {name: Measurement.model_validate(value) for name, value in found.items()}


def _write_examples(examples: Sequence[Example], out_path: Path) -> tuple[str, str]:
    lines = [
        json.dumps({"id": e.id, "output": e.output, "expected": e.expected, "correct": e.correct}, ensure_ascii=True)
        for e in examples
    ]
    text = "".join(line + "\n" for line in lines)
    path = out_path.with_name(f"{out_path.stem}.examples.jsonl")
    write_text(path, text)
    return path.name, hashlib.sha256(text.encode("utf-8")).hexdigest()


def _dataset(data: Split | None) -> DatasetUsed | None:
    if data is None:
        return None
    return DatasetUsed(name=data.name, version=data.version, split=data.split, n=len(data.rows), of=data.of)


def _threads(model_dir: Path) -> int | None:
    """Threads the artifact asks for; None leaves it to ONNX Runtime (physical cores)."""
    try:
        config = json.loads((model_dir / "genai_config.json").read_text(encoding="utf-8"))
        found = config["model"]["decoder"]["session_options"].get("intra_op_num_threads")
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    return int(found) if isinstance(found, int) else None
