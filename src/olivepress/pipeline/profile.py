"""The kernels of an artifact, or of a package with one of its adapters, on this machine."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from olivepress.adapters import check_adapter, read_package
from olivepress.adapters.package import PACKAGE
from olivepress.core.artifact import Manifest, read_manifest
from olivepress.core.errors import AdapterError, UsageError
from olivepress.core.progress import JobProgress, Progress
from olivepress.measure.latency.kernel_profile import KernelProfile, ProfileSpec, Run, phase_of, profiled_copy
from olivepress.measure.latency.latency import Workload
from olivepress.measure.trials import workload_for
from olivepress.measure.tuning.record import median_of
from olivepress.measure.worker.host import run_child
from olivepress.measure.worker.interpreters import machine_of
from olivepress.pipeline.artifacts import place_for, read_export
from olivepress.report.device_report import Measurement
from olivepress.runtimes.artifact_safety import check_artifact
from olivepress.runtimes.base import runtime_of
from olivepress.runtimes.linked_copy import linked_with_adapter
from olivepress.runtimes.session import session_threads

__all__ = ["ROUNDS", "profile"]

ROUNDS = 3


def profile(
    directory: Path,
    *,
    adapter: str | None = None,
    workload: Workload | None = None,
    on_progress: JobProgress = lambda *_: None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> KernelProfile:
    """Run the workload with and without the profiler in turns, each in a process of its own, and add the kernels up.

    Raises UsageError for what ONNX Runtime GenAI does not open, AdapterError as ``check_adapter``, ReportError for
    files that are not the manifest's, JobError when the model does not run or the profile does not hold.
    """
    manifest = _manifest(directory, adapter)
    if runtime_of(directory) != "onnxruntime-genai":
        raise UsageError(f"{directory}: not a model of ONNX Runtime GenAI, its kernels cannot be profiled")
    place = place_for(manifest)
    interpreter = place.interpreter if place else None
    with tempfile.TemporaryDirectory(prefix="olivepress-") as scratch:
        model_dir = _opened(directory, adapter, Path(scratch))
        spec = ProfileSpec(
            model_dir=model_dir,
            workload=workload or workload_for(model_dir),
            execution_provider=str(manifest.execution_provider),
        )
        plain, profiled = _rounds(spec, interpreter, Path(scratch), partial(on_progress, manifest.job, "profile"))
        runs = [Run.model_validate(run) for result in profiled for run in result["runs"]]
        phases = tuple(phase_of(name, runs, profiled[0]["nodes"], model_dir) for name in ("prefill", "decode"))
        threads = session_threads(model_dir)
    return KernelProfile(
        recipe=manifest.recipe,
        job=manifest.job,
        adapter=adapter,
        artifact_sha256=manifest.sha256,
        execution_provider=spec.execution_provider,
        machine=machine_of(interpreter),
        created_at=now().astimezone(UTC).isoformat(timespec="seconds"),
        workload=spec.workload.name,
        rounds=ROUNDS,
        repetitions=spec.repetitions,
        threads=threads,
        ttft_ms=_median(plain, "ttft_ms"),
        step_ms=_median(plain, "step_ms"),
        slowdown_prefill=_ratio(plain, profiled, "ttft_ms"),
        slowdown_decode=_ratio(plain, profiled, "step_ms"),
        phases=phases,
    )


def _rounds(
    spec: ProfileSpec, interpreter: Path | None, scratch: Path, on_progress: Progress
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Results of the processes without and with the profiler, round by round; every second round in reverse."""
    results: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
    for number in range(ROUNDS):
        order = (False, True) if number % 2 == 0 else (True, False)
        for with_profiler in order:
            on_progress(len(results[False]) + len(results[True]), 2 * ROUNDS)
            this_spec, folder = spec, scratch / f"round-{number}"
            if with_profiler:
                copy = profiled_copy(spec.model_dir, folder)
                this_spec = spec.model_copy(update={"model_dir": copy, "folder": folder})
            result = run_child("profile", this_spec.model_dump(mode="json"), interpreter=interpreter)
            results[with_profiler].append(result)
    return results[False], results[True]


def _median(results: list[dict[str, Any]], name: str) -> Measurement:
    return median_of([result[name] for result in results], "ms", "")


def _ratio(plain: list[dict[str, Any]], profiled: list[dict[str, Any]], name: str) -> Measurement:
    return median_of([b[name] / a[name] for a, b in zip(plain, profiled, strict=True)], "1", "")


def _manifest(directory: Path, adapter: str | None) -> Manifest:
    if not (directory / PACKAGE).is_file():
        if adapter is not None:
            raise AdapterError(
                f"{directory}: not a package, so it has no adapter {adapter!r}", next_step="leave it out"
            )
        return read_export(directory)
    if adapter is not None:
        check_adapter(directory, read_package(directory), adapter)
    check_artifact(directory)
    return read_manifest(directory, verify=True)


def _opened(directory: Path, adapter: str | None, scratch: Path) -> Path:
    """The folder itself, or one of links in which the adapter is the active one."""
    if adapter is None:
        return directory
    file = directory / read_package(directory).adapters[adapter].file
    return linked_with_adapter(directory, file, scratch / "with-adapter")
