"""llama.cpp's ``llama-bench -o json`` and ``-o jsonl``.

Format: https://github.com/ggml-org/llama.cpp/tree/master/tools/llama-bench (README, "Output formats"). One object per
test: ``n_prompt`` tokens are prefilled, then ``n_gen`` generated, after ``n_depth`` untimed tokens of context;
``samples_ns`` are nanoseconds per repetition, ``avg_ts`` the mean of tokens per second over them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
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
    to_utc,
)
from olivepress.measure.importers.parsing import NOT_STATED, Record, import_error
from olivepress.report.device_report import Measurement, WorkloadResult, measured

__all__ = ["TOOL", "matches_format", "read_runs"]

TOOL = "llama-bench"
MARKS = ("n_prompt", "n_gen", "avg_ts")
# Keys that differ between the tests of one configuration; all others are equal within a report.
RESULTS = {
    *("n_prompt", "n_gen", "n_depth", "test_time"),
    *("avg_ns", "stddev_ns", "avg_ts", "stddev_ts", "samples_ns", "samples_ts"),
}
STATED = ("model_type", "build_commit", "type_k", "type_v", "split_mode", "devices", "gpu_info")
STATED_COUNTS = ("build_number", "model_size", "model_n_params", "n_batch", "n_ubatch", "n_threads")
NPU_BACKENDS = ("cann", "htp", "hexagon")
CPU_BACKENDS = {"cpu", "blas", "rpc", ""}
QUANTIZATION = re.compile(r"\b(?:I?Q\d\w*|T?Q\d\w*|MXFP\d\w*|NVFP\d\w*|BF16|F16|F32)(?: - \w+)?", re.IGNORECASE)
DEFAULT_TESTS = {"prefill_tps": "pp512", "decode_tps": "tg128"}  # llama-bench's defaults, as in its published tables
DISAGREE = 0.001  # avg_ts and the samples are the same numbers, printed with six digits
REASONS = {
    "ttft_ms": "llama-bench times the prefill without choosing the first token",
    "request_ttft_ms": "llama-bench measures neither tokenization nor the chat template",
    "e2e_ms": "llama-bench measures neither tokenization nor a whole request",
    "itl_p50_ms": "llama-bench times whole generations, not single tokens",
    "itl_p90_ms": "llama-bench times whole generations, not single tokens",
    "itl_p95_ms": "llama-bench times whole generations, not single tokens",
    "itl_p99_ms": "llama-bench times whole generations, not single tokens",
    "size_on_disk_bytes": "llama-bench states the size of the tensors (settings: model_size), not of the files",
}
WARNING = (
    "prefill_tps and decode_tps are llama-bench's: model only, random tokens, no sampling; decoding starts from an "
    "empty context unless the test's name has @d"
)


def matches_format(value: Any) -> bool:
    """Whether the parsed file has the format of llama-bench: one test or a list of tests."""
    tests = value if isinstance(value, list) else [value]
    return bool(tests) and all(isinstance(test, dict) and all(key in test for key in MARKS) for test in tests)


def read_runs(path: Path, value: Any) -> list[ImportedRun]:
    """One run per configuration (model, threads, batch, back end …), in the order of the file.

    prefill_tps of a ``pp`` test = n_prompt / s per repetition, decode_tps of a ``tg`` test = n_gen / s; the value is
    the median over the repetitions, as in our own reports. The headline metrics are those of pp512 and tg128, else of
    the first test of each kind. ReportError for values that cannot be measurements.
    """
    tests = value if isinstance(value, list) else [value]
    groups: dict[str, list[Record]] = {}
    for number, test in enumerate(tests, start=1):
        configuration = json.dumps({k: v for k, v in test.items() if k not in RESULTS}, sort_keys=True)
        record = Record(path=path, where=f"test {number}", fields=test)
        groups.setdefault(configuration, []).append(record)
    return [_run(path, group) for group in groups.values()]


def _run(path: Path, tests: Sequence[Record]) -> ImportedRun:
    results: dict[str, WorkloadResult] = {}
    samples: dict[str, str] = {}
    for test in tests:
        name = _name(test)
        if name in results:
            raise import_error(path, f"{name} occurs twice with the same settings: two runs in one file")
        results[name] = _workload(name, test)
        if test.fields.get("samples_ns"):
            samples[f"samples_ns {name}"] = " ".join(f"{sample:.0f}" for sample in test.numbers("samples_ns"))
    first = tests[0]
    device = _device(first)
    headline = {metric: _headline(metric, results) for metric in DEFAULT_TESTS}
    metrics = {metric: results[name].metrics[metric] for metric, name in headline.items() if name}
    missing = {m: f"the file has no {DEFAULT_TESTS[m][:2]} test" for m, name in headline.items() if not name}
    settings = {f"headline {metric}": name for metric, name in headline.items() if name}
    times = [to_utc(test.text("test_time")) for test in tests]
    return ImportedRun(
        tool=TOOL,
        runtime="llama.cpp",
        execution_provider=first.text("backends"),
        device=device or "unknown",
        precision=_precision(first.text("model_type")),
        machine=machine(cpu=first.text("cpu_info"), packages=_packages(first)),
        measured_at=min((time for time in times if time), default=None),
        settings={"model": last_part(first.text("model_filename")), **_settings(first), **settings, **samples},
        metrics=metrics,
        reasons=REASONS | missing,
        workloads=tuple(results.values()),
        warnings=(WARNING,) if device else (WARNING, DEVICE_NOT_STATED),
    )


def _name(test: Record) -> str:
    prompt, generated, depth = test.count("n_prompt"), test.count("n_gen"), _depth(test)
    parts = [f"pp{prompt}"] * (prompt > 0) + [f"tg{generated}"] * (generated > 0)
    if not parts:
        raise test.error("n_prompt and n_gen are both 0: nothing was measured")
    return "+".join(parts) + (f"@d{depth}" if depth else "")


def _workload(name: str, test: Record) -> WorkloadResult:
    prompt, generated = test.count("n_prompt"), test.count("n_gen")
    timed, other = ("decode_tps", "prefill_tps") if generated else ("prefill_tps", "decode_tps")
    rate = _rate(test, prompt + generated, timed)
    mixed = "the test's one rate mixes prefill and decode" if prompt and generated else None
    metrics = {} if mixed else {timed: rate}
    reasons = REASONS | (dict.fromkeys(DEFAULT_TESTS, mixed) if mixed else {other: f"{name} does not measure {other}"})
    return WorkloadResult(
        name=name,
        # Counts start at one: tg starts from one token, pp ends with the logits of one. The context of a tg test is its
        # prompt; that of a pp test was not timed and appears in the name only.
        prompt_tokens=prompt or max(1, _depth(test)),
        generated_tokens=max(1, generated),
        metrics=complete(TOOL, metrics, reasons),
        reason=mixed,
    )


def _rate(test: Record, tokens: int, metric: str) -> Measurement:
    average, nanoseconds = test.number("avg_ts"), test.numbers("samples_ns")
    if not nanoseconds:
        return measured(metric, average, n=0)  # an older file: the mean, repetitions unknown
    rates = [tokens / (sample / 1e9) for sample in nanoseconds]
    mean = sum(rates) / len(rates)
    if abs(mean - average) > DISAGREE * average:
        raise test.error(f"avg_ts is {average:g}, but its samples give {mean:g}")
    return median_of(metric, rates)


def _depth(test: Record) -> int:
    return test.count("n_depth") if "n_depth" in test.fields else 0


def _headline(metric: str, results: dict[str, WorkloadResult]) -> str | None:
    names = [name for name, result in results.items() if result.metrics[metric].value is not None]
    if DEFAULT_TESTS[metric] in names:
        return DEFAULT_TESTS[metric]
    return min(names, key=lambda name: "@" in name, default=None)


def _device(test: Record) -> Device | None:
    if test.text("backends") == NOT_STATED:  # files from before 2024-10 have one flag per back end instead
        return None
    backends = {part.strip().lower() for part in re.split(r"[,/+]", test.text("backends"))}
    layers = test.fields.get("n_gpu_layers")
    if backends <= CPU_BACKENDS or layers == 0 or test.text("devices") == "none":
        return "cpu"
    return "npu" if any(backend.startswith(NPU_BACKENDS) for backend in backends) else "gpu"


def _packages(test: Record) -> dict[str, str]:
    return {"llama.cpp": test.text("build_commit")} if test.fields.get("build_commit") else {}


def _precision(model_type: str) -> str:
    match = QUANTIZATION.search(model_type)
    return match.group(0) if match else NOT_STATED


def _settings(test: Record) -> dict[str, int | float | str | None]:
    texts: dict[str, int | float | str | None] = {key: test.text(key) for key in STATED if key in test.fields}
    return texts | {key: test.count(key) for key in STATED_COUNTS if key in test.fields}
