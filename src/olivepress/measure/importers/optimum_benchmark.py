"""optimum-benchmark's ``benchmark.json`` (config and report) and ``benchmark_report.json`` (the report alone).

Format: https://github.com/huggingface/optimum-benchmark (0.6.0, benchmark/report.py, trackers/, scenarios/inference).
A report has targets (load_model, prefill, decode, per_token …), each with latency (seconds, with the raw ``values``),
throughput and memory (MB of 10^6 bytes). Prefill and generate throughput are in sequences/s, decode in tokens/s.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from olivepress.measure.importers.assembled import (
    DEVICE_NOT_STATED,
    Device,
    ImportedRun,
    complete,
    last_part,
    machine,
    median_of,
)
from olivepress.measure.importers.parsing import NOT_STATED, Record
from olivepress.report.device_report import Measurement, Runtime, WorkloadResult, measured
from olivepress.report.machine import Machine

__all__ = ["TOOL", "matches_format", "read_runs"]

TOOL = "optimum-benchmark"
TARGETS = ("load_model", "first_generate", "generate", "prefill", "decode", "per_token")
MEASURED = {"memory", "latency", "throughput", "energy", "efficiency"}
RUNTIMES: dict[str, Runtime] = {"pytorch": "pytorch", "onnxruntime": "onnxruntime", "llama_cpp": "llama.cpp"}
DEVICES: dict[str, Device] = {"cpu": "cpu", "cuda": "gpu", "gpu": "gpu", "mps": "gpu", "xpu": "gpu", "npu": "npu"}
PERCENTILES = {"itl_p50_ms": "p50", "itl_p90_ms": "p90", "itl_p95_ms": "p95", "itl_p99_ms": "p99"}
LIBRARIES = ("transformers", "accelerate", "optimum", "peft", "optimum_benchmark")
MEGABYTE = 1e6
DISAGREE = 0.01
NO_LENGTH = "the file does not state the prompt's length: import benchmark.json, which contains the config as well"
REASONS = {
    "request_ttft_ms": "optimum-benchmark measures neither tokenization nor the chat template",
    "e2e_ms": "optimum-benchmark measures neither tokenization nor the chat template",
    "ttft_ms": "the file has no prefill latency",
    "decode_tps": "the file has no decode throughput",
    "load_ms": "the file has no load_model latency",
    "peak_memory_bytes": "memory was not tracked (scenario.memory)",
    "peak_accelerator_memory_bytes": "the memory of an accelerator was not tracked",
    "energy_j_per_token": "optimum-benchmark's energy can be an estimate from rated power, not a counter",
    **dict.fromkeys(PERCENTILES, "the file has no per_token latency"),
}
WARNINGS = (
    "ttft_ms is optimum-benchmark's prefill: from the call of generate() to the first logits, or a generate() of one "
    "token; prefill_tps follows from it",
    "load_ms is optimum-benchmark's load_model: without the tokenizer",
    "peak_memory_bytes is sampled every 10 ms, the largest of all targets",
)


def matches_format(value: Any) -> bool:
    """Whether the parsed file has the format of optimum-benchmark: config and report, or the targets of a report."""
    if not isinstance(value, dict):
        return False
    if isinstance(value.get("config"), dict) and isinstance(value.get("report"), dict):
        return True
    targets = [target for name, target in value.items() if name in TARGETS]
    return bool(targets) and all(isinstance(target, dict) and target.keys() & MEASURED for target in targets)


def read_runs(path: Path, value: Any) -> list[ImportedRun]:
    """One run. ReportError for values that cannot be measurements and for a report that is not of text generation.

    ttft_ms = median prefill latency; prefill_tps = sequence_length over it; decode_tps = the decode throughput; the
    percentiles between tokens are the file's own. Null for batches above one: their rates are of several requests.
    """
    whole = Record(path=path, where="the file", fields=value)
    config = whole.record("config") if "config" in value and "report" in value else None
    targets = whole.record("report") if config else whole
    if targets is None or not any(targets.fields.get(name) for name in ("prefill", "decode", "per_token")):
        raise whole.error("the report has none of prefill, decode and per_token: not a text generation")
    batch = _batch(config, targets)
    metrics, reasons = _metrics(config, targets), dict(REASONS)
    if batch != 1:
        reason = f"measured in batches of {batch}"
        if batch is None:
            reason = "the number of sequences per batch is not stated"
        for name in ("ttft_ms", "prefill_tps", "decode_tps", *PERCENTILES):
            metrics.pop(name, None)
            reasons[name] = f"{reason}; our metrics are of one sequence"
    if "prefill_tps" not in metrics:
        reasons.setdefault("prefill_tps", NO_LENGTH if "ttft_ms" in metrics else REASONS["ttft_ms"])
    return [_run(config, targets, metrics, reasons)]


def _run(
    config: Record | None, targets: Record, metrics: Mapping[str, Measurement], reasons: Mapping[str, str]
) -> ImportedRun:
    backend = config.record("backend") if config else None
    workloads = _workload(config, complete(TOOL, metrics, reasons))
    name = backend.text("name") if backend else NOT_STATED
    device = DEVICES.get(backend.text("device").lower().split(":")[0]) if backend else None
    return ImportedRun(
        tool=TOOL,
        runtime=RUNTIMES.get(name, "other"),
        execution_provider=_provider(backend),
        device=device or "unknown",
        precision=_precision(backend),
        machine=_machine(config.record("environment") if config else None),
        measured_at=None,
        settings={
            "backend": name,
            "model": last_part(backend.text("model")) if backend else NOT_STATED,
            "batch_size": _batch(config, targets),
            **_raw(targets),
        },
        metrics=metrics,
        reasons=reasons,
        workloads=workloads,
        headline_workload=workloads[0].name if workloads else None,
        warnings=WARNINGS if device else (*WARNINGS, DEVICE_NOT_STATED),
    )


def _shape(config: Record | None, section: str, key: str) -> int | None:
    scenario = config.record("scenario") if config else None
    shapes = scenario.record(section) if scenario else None
    return shapes.optional_count(key) if shapes else None


def _batch(config: Record | None, targets: Record) -> int | None:
    """Sequences per batch: stated, or by the tool's formula prefill throughput = batch / mean prefill latency."""
    stated = _shape(config, "input_shapes", "batch_size")
    latency, throughput = _part(targets, "prefill", "latency"), _part(targets, "prefill", "throughput")
    if stated or latency is None or throughput is None:
        return stated
    computed = throughput.number("value") * latency.number("mean")
    batch = round(computed)
    return batch if batch >= 1 and abs(computed - batch) < DISAGREE else None


def _part(targets: Record, target: str, part: str) -> Record | None:
    record = targets.record(target)
    return record.record(part) if record else None


def _metrics(config: Record | None, targets: Record) -> dict[str, Measurement]:
    metrics: dict[str, Measurement] = {}
    prefill, decode = _part(targets, "prefill", "latency"), _part(targets, "decode", "throughput")
    length = _shape(config, "input_shapes", "sequence_length")
    if prefill:
        seconds = _values(prefill)
        metrics["ttft_ms"] = median_of("ttft_ms", [s * 1e3 for s in seconds])
        if length:
            metrics["prefill_tps"] = median_of("prefill_tps", [length / s for s in seconds])
    if decode:
        _expect(decode, "unit", "tokens/s")
        latency = _part(targets, "decode", "latency")
        metrics["decode_tps"] = measured(
            "decode_tps", decode.number("value"), n=len(_values(latency)) if latency else 0
        )
    if tokens := _part(targets, "per_token", "latency"):
        count = len(_values(tokens))
        metrics |= {name: measured(name, tokens.number(key) * 1e3, n=count) for name, key in PERCENTILES.items()}
    if load := _part(targets, "load_model", "latency"):
        metrics["load_ms"] = median_of("load_ms", [s * 1e3 for s in _values(load)])
    return metrics | _memory(targets)


def _memory(targets: Record) -> dict[str, Measurement]:
    parts = [part for name in TARGETS if (part := _part(targets, name, "memory"))]
    for part in parts:
        _expect(part, "unit", "MB")
    kinds = {"peak_memory_bytes": "max_ram", "peak_accelerator_memory_bytes": "max_process_vram"}
    metrics: dict[str, Measurement] = {}
    for name, key in kinds.items():
        peaks = [part.number(key, least=0) for part in parts if part.fields.get(key) is not None]
        if peaks and max(peaks) > 0:
            metrics[name] = measured(name, max(peaks) * MEGABYTE, n=len(peaks))
    return metrics


def _values(latency: Record) -> tuple[float, ...]:
    """The raw seconds of a latency. ReportError unless the stated mean is their mean."""
    _expect(latency, "unit", "s")
    values, mean = latency.numbers("values"), latency.number("mean")
    if not values:
        raise latency.error("'values' is empty")
    computed = sum(values) / len(values)
    if abs(computed - mean) > DISAGREE * mean:
        raise latency.error(f"mean is {mean:g}, but the values give {computed:g}")
    return values


def _expect(record: Record, key: str, expected: str) -> None:
    if record.text(key) != expected:
        raise record.error(f"expected {key!r} to be {expected!r}, found {record.text(key)!r}")


def _workload(config: Record | None, metrics: dict[str, Measurement]) -> tuple[WorkloadResult, ...]:
    prompt = _shape(config, "input_shapes", "sequence_length")
    generated = _shape(config, "generate_kwargs", "max_new_tokens")
    if prompt is None or generated is None:
        return ()
    name = f"{prompt}x{generated}"
    return (WorkloadResult(name=name, prompt_tokens=prompt, generated_tokens=generated, metrics=metrics),)


def _raw(targets: Record) -> dict[str, str]:
    """The raw seconds as text: a LatencySample would need the time of the whole request, which the file lacks."""
    parts = {name: _part(targets, name, "latency") for name in ("prefill", "decode", "per_token")}
    return {
        f"{name} seconds": " ".join(f"{value:.9g}" for value in _values(part)) for name, part in parts.items() if part
    }


def _provider(backend: Record | None) -> str:
    if backend is None:
        return NOT_STATED
    return backend.text("provider") if backend.fields.get("provider") else backend.text("device")


def _precision(backend: Record | None) -> str:
    if backend is None:
        return NOT_STATED
    scheme, kind = backend.text("quantization_scheme"), backend.text("torch_dtype")
    return scheme if scheme != NOT_STATED else kind


def _machine(environment: Record | None) -> Machine:
    if environment is None:
        return machine(cpu=NOT_STATED)
    megabytes = environment.fields.get("cpu_ram_mb")
    versions = {name: environment.text(f"{name}_version") for name in LIBRARIES}
    return machine(
        cpu=environment.text("cpu"),
        architecture=environment.text("machine"),
        logical_cores=environment.optional_count("cpu_count"),
        memory_bytes=None if megabytes is None else round(environment.number("cpu_ram_mb") * MEGABYTE),
        os=environment.text("system"),
        python=environment.text("python_version"),
        packages={name.replace("_", "-"): version for name, version in versions.items() if version != NOT_STATED},
    )
