"""MLPerf Client's ``results.json``: one JSON object per line and run (scenario and execution provider).

Format: https://github.com/mlcommons/mlperf_client (v0.5 to v2.0, src/CIL/benchmark_logger.cpp). Times in seconds,
rounded to milliseconds; rates in tokens/s of the tokens after the first; memory in bytes. ``overall_results`` are
geometric means over the categories and are written for configurations that MLCommons tested.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from olivepress.measure.importers.assembled import DEVICE_NOT_STATED, Device, ImportedRun, complete, last_part, machine
from olivepress.measure.importers.parsing import NOT_STATED, Record, import_error, one_line
from olivepress.report.device_report import Measurement, Runtime, WorkloadResult, measured
from olivepress.report.machine import Machine

__all__ = ["TOOL", "matches_format", "read_runs"]

TOOL = "MLPerf Client"
MARKS = ("Scenario Name", "Execution Provider Name", "Benchmark Success")
TTFT, RATE = "Time to First Token", "2nd+ Token Generation Rate"
RUNTIMES: tuple[tuple[str, Runtime], ...] = (
    ("ortgenai", "onnxruntime-genai"),
    ("windowsml", "onnxruntime-genai"),  # its language models run in GenAI on providers of Windows ML
    ("llamacpp", "llama.cpp"),
    ("ggml", "llama.cpp"),
)
STATED = ("BuildVer", "Config", "Config Category", "ConfigFile", "ConfigHash", "Model Name", "Execution Provider Name")
REASONS = {
    "request_ttft_ms": "MLPerf Client's results do not separate tokenization from the model",
    "e2e_ms": "MLPerf Client's results are averages of first and later tokens, not of whole requests",
    "prefill_tps": "MLPerf Client averages prompts of several lengths: tokens over time would be a ratio of averages",
    "ttft_ms": "the file has no time to first token",
    "decode_tps": "MLPerf Client writes 0 where the rate of the later tokens is unknown",
}
SEVERAL = "the file has several categories and no overall result: see the workloads"
WARNING = "MLPerf Client: averages over prompts and iterations, times rounded to 1 ms; n counts its iterations"
OVERALL = "the values at the top are geometric means over MLPerf Client's categories"
UNTESTED = "the configuration was not tested by MLCommons"


def matches_format(value: Any) -> bool:
    """Whether the parsed file has the format of MLPerf Client: one run or a list of runs."""
    runs = value if isinstance(value, list) else [value]
    return bool(runs) and all(isinstance(run, dict) and all(key in run for key in MARKS) for run in runs)


def read_runs(path: Path, value: Any) -> list[ImportedRun]:
    """One entry per run of a language model; a failed run has its error as the reason. Image runs are left out.

    ttft_ms = seconds x 1000; decode_tps = the "2nd+ token" rate. Agentic categories get no values because their times
    contain tool calls. ReportError for values that cannot be measurements, and when no run is of a language model.
    """
    runs = [Record(path=path, where=f"run {n}", fields=run) for n, run in enumerate(_list(value), start=1)]
    chosen = [run for run in runs if not run.fields.get("Is Image Benchmark") and "category_results" in run.fields]
    if not chosen:
        raise import_error(path, "none of its runs is of a language model")
    return [_run(run) for run in chosen]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _run(run: Record) -> ImportedRun:
    workloads = _workloads(run)
    metrics, reasons = _top(run, workloads)
    device = _device(run)
    overall = bool(run.fields.get("overall_results"))
    untested = run.text("Config") != "Configuration tested by MLCommons"
    notes = {WARNING: True, OVERALL: overall, UNTESTED: untested, DEVICE_NOT_STATED: not device}
    return ImportedRun(
        tool=TOOL,
        runtime=_runtime(run.text("Execution Provider Name")),
        execution_provider=run.text("Execution Provider Name"),
        device=device or "unknown",
        precision=NOT_STATED,
        machine=_machine(run),
        measured_at=None,
        settings={
            "scenario": run.text("Scenario Name"),
            "iterations": _iterations(run),
            "device type": _device_text(run),
            "started": run.text("Benchmark Start Time"),  # local time without a zone, as text
            **{key: last_part(run.text(key)) for key in STATED if key in run.fields},
        },
        metrics=metrics,
        reasons=reasons,
        workloads=workloads,
        headline_workload=workloads[0].name if len(workloads) == 1 and not overall else None,
        warnings=tuple(note for note, applies in notes.items() if applies),
    )


def _workloads(run: Record) -> tuple[WorkloadResult, ...]:
    categories = run.record("category_results")
    if categories is None:
        return ()
    parts = {name: categories.record(name) for name in categories.fields}
    return tuple(_workload(name, run, part) for name, part in parts.items() if part is not None)


def _workload(name: str, run: Record, category: Record) -> WorkloadResult:
    reason = _failure(run)
    if reason is None and category.fields.get("Is Agentic") is True:
        reason = "an agentic scenario: its times contain tool calls"
    metrics = {} if reason else _measurements(category, "Avg", _iterations(run))
    return WorkloadResult(
        name=one_line(name),
        prompt_tokens=max(1, category.count("Avg Input Tokens")),
        generated_tokens=max(1, category.count("Avg Generated Tokens")),
        metrics=complete(TOOL, metrics, _null(reason)),
        reason=reason,
    )


def _null(reason: str | None) -> dict[str, str]:
    """The reasons of all missing metrics; ``reason`` replaces those of TTFT and decode rate."""
    return REASONS | ({"ttft_ms": reason, "decode_tps": reason} if reason else {})


def _measurements(results: Record, kind: str, iterations: int) -> dict[str, Measurement]:
    seconds, rate = results.number(f"{kind} {TTFT}"), results.number(f"{kind} {RATE}", least=0)
    metrics = {"ttft_ms": measured("ttft_ms", seconds * 1e3, n=iterations)}
    if rate:
        metrics["decode_tps"] = measured("decode_tps", rate, n=iterations)
    return metrics


def _top(run: Record, workloads: tuple[WorkloadResult, ...]) -> tuple[dict[str, Measurement], dict[str, str]]:
    failure, overall = _failure(run), run.record("overall_results")
    if failure:
        return {}, _null(failure)
    if overall and overall.fields:
        return _measurements(overall, "Geomean", _iterations(run)), REASONS
    if len(workloads) == 1:
        values = {name: m for name, m in workloads[0].metrics.items() if m.value is not None}
        return values, {name: m.reason for name, m in workloads[0].metrics.items() if m.reason}
    return {}, _null(SEVERAL if workloads else "the run has no categories")


def _failure(run: Record) -> str | None:
    success = run.fields.get("Benchmark Success")
    if not isinstance(success, bool):
        raise run.error("expected true or false in 'Benchmark Success'")
    return None if success else f"the run failed: {_without_paths(run.text('Error Message'))}"


def _without_paths(text: str) -> str:
    """A message in which paths are reduced to their last part."""
    return " ".join(last_part(word) for word in text.split())


def _iterations(run: Record) -> int:
    return run.count("Iterations") if "Iterations" in run.fields else 0


def _runtime(provider: str) -> Runtime:
    name = re.sub(r"[^a-z]", "", provider.lower())
    return next((runtime for mark, runtime in RUNTIMES if mark in name), "other")


def _device_text(run: Record) -> str:
    stated = run.text("Device Type")
    settings = run.record("EP Configuration")
    return settings.text("device_type") if stated == NOT_STATED and settings else stated


def _device(run: Record) -> Device | None:
    """The most specialised device of texts such as "NPU-GPU"; the text itself is in the settings."""
    words = set(re.findall(r"[a-z]+", _device_text(run).lower()))
    kinds: tuple[Device, ...] = ("npu", "gpu", "cpu")
    return next((kind for kind in kinds if kind in words), None)


def _machine(run: Record) -> Machine:
    names, versions = run.fields.get("SysInfo_GPUNames"), run.fields.get("SysInfo_GPUDriverVersions")
    pairs = zip(names, versions, strict=False) if isinstance(names, list) and isinstance(versions, list) else ()
    return machine(
        cpu=run.text("SysInfo_CPUModel"),
        architecture=run.text("SysInfo_CPUArchitecture"),
        physical_cores=run.optional_count("SysInfo_CPUCores"),
        logical_cores=run.optional_count("SysInfo_CPULogicalCores"),
        memory_bytes=run.optional_count("SysInfo_RAMTotal"),
        os=" ".join(t for t in (run.text("SysInfo_OSName"), _version(run)) if t) or NOT_STATED,
        drivers={one_line(str(name)): one_line(str(version)) for name, version in pairs},
    )


def _version(run: Record) -> str:
    version = run.text("SysInfo_OSVersion")
    return "" if version == NOT_STATED else version
