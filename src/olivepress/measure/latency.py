"""Latency of one workload cell, measured inside a fresh process (``olivepress.measure.child`` calls this).

Why two rates: prefill multiplies all prompt tokens with every weight at once and is bound by arithmetic; decode reads
all weights for each single token and is bound by memory bandwidth. One tokens-per-second for both says nothing.

onnxruntime-genai runs the model in ``append_tokens`` (the prefill); the first ``generate_next_token`` only samples
from those logits, each later one runs the model once and samples (ran, 0.14.1). So TTFT is append + first, and the
steps after it are the pure decode.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from olivepress.errors import JobError, SetupError
from olivepress.measure.dataset import Message
from olivepress.measure.intervals import bootstrap_median
from olivepress.measure.machine import peak_rss_bytes
from olivepress.measure.prompts import context_length, render_prompt
from olivepress.measure.report import LatencySample, Measurement, measured

__all__ = ["DEFAULT_WORKLOADS", "LATENCY_METRICS", "Workload", "cell_metrics", "measure_cell", "size_on_disk_bytes"]

LATENCY_METRICS = (
    "load_ms",
    "ttft_ms",
    "request_ttft_ms",
    "prefill_tps",
    "decode_tps",
    "itl_p50_ms",
    "itl_p90_ms",
    "itl_p99_ms",
    "peak_memory_bytes",
)
# Providers whose absence genai hides by running on the CPU; model.device_type tells.
OFF_CPU = {"CUDAExecutionProvider", "DmlExecutionProvider", "WebGpuExecutionProvider"}
FILLER = "the quick brown fox counts seven small boxes and puts them on the shelf by the window before noon"


class Workload(BaseModel):
    """Prompt tokens in, generated tokens out: one cell of the grid."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt_tokens: int = Field(ge=1)
    generated_tokens: int = Field(ge=2)  # one token has no steps to time

    @property
    def name(self) -> str:
        return f"{self.prompt_tokens}x{self.generated_tokens}"

    @property
    def total(self) -> int:
        return self.prompt_tokens + self.generated_tokens


DEFAULT_WORKLOADS = tuple(
    Workload(prompt_tokens=p, generated_tokens=g) for p, g in ((32, 32), (128, 128), (512, 128), (2048, 128))
)


def measure_cell(
    model_dir: Path, workload: Workload, *, repetitions: int, warmups: int, execution_provider: str
) -> dict[str, Any]:
    """Load the model in this (fresh) process and time one cell: ``load_ms``, raw samples, peak memory, placement.

    JobError when the workload exceeds the context, the provider fell back to the CPU, or generation stopped early.
    """
    limit = context_length(model_dir)
    if limit is not None and workload.total > limit:
        raise JobError(f"workload {workload.name} needs {workload.total} tokens, the context holds {limit}")
    og = import_genai()
    start = time.perf_counter_ns()
    model = og.Model(str(model_dir))
    tokenizer = og.Tokenizer(model)
    load_ms = (time.perf_counter_ns() - start) / 1e6
    if execution_provider in OFF_CPU and str(model.device_type).upper() == "CPU":
        raise JobError(f"asked for {execution_provider}, the runtime placed the model on the CPU")
    messages = _messages_of_length(model_dir, tokenizer, workload.prompt_tokens)
    samples = []
    gc.disable()  # a collection inside a step would be charged to the model
    try:
        for repetition in range(-warmups, repetitions):
            sample = _time_once(og, model, tokenizer, model_dir, messages, workload, max(repetition, 0))
            gc.collect()
            if repetition >= 0:
                samples.append(sample.model_dump())
    finally:
        gc.enable()
    return {
        "load_ms": load_ms,
        "samples": samples,
        "peak_memory_bytes": peak_rss_bytes(),
        "runtime_device": str(model.device_type),
    }


def _time_once(
    og: Any, model: Any, tokenizer: Any, model_dir: Path, messages: list[Message], workload: Workload, repetition: int
) -> LatencySample:
    clock = time.perf_counter_ns
    steps = workload.generated_tokens - 1
    stamps = [0] * (steps + 1)  # allocated before the clock runs
    asked = clock()
    ids = tokenizer.encode(render_prompt(model_dir, messages).prefix)[: workload.prompt_tokens]
    generator = og.Generator(model, fixed_length(og, model, workload.total))
    begin = clock()
    generator.append_tokens(ids)
    generator.generate_next_token()
    stamps[0] = clock()
    for step in range(steps):
        generator.generate_next_token()
        stamps[step + 1] = clock()
    if len(ids) != workload.prompt_tokens or int(generator.token_count()) != workload.total:
        raise JobError(f"workload {workload.name} ended with {generator.token_count()} tokens, not {workload.total}")
    return LatencySample(
        workload=workload.name,
        repetition=repetition,
        ttft_ms=(stamps[0] - begin) / 1e6,
        request_ttft_ms=(stamps[0] - asked) / 1e6,
        step_ms=tuple(step / 1e6 for step in np.diff(stamps).tolist()),
    )


def fixed_length(og: Any, model: Any, total: int) -> Any:
    """Greedy search of exactly ``total`` tokens; always set, as genai's default may be 131072 tokens of KV."""
    params = og.GeneratorParams(model)
    params.set_search_options(
        do_sample=False, num_beams=1, max_length=total, min_length=total, repetition_penalty=1.0, no_repeat_ngram_size=0
    )
    return params


def _messages_of_length(model_dir: Path, tokenizer: Any, tokens: int) -> list[Message]:
    """A conversation whose rendered prompt has at least ``tokens`` tokens; the caller cuts the ids to length."""
    words = FILLER.split()
    count = max(8, tokens // 2)
    while True:
        text = " ".join(words[i % len(words)] for i in range(count))
        messages = [{"role": "user", "content": text}, {"role": "assistant", "content": "-"}]
        if len(tokenizer.encode(render_prompt(model_dir, messages).prefix)) >= tokens:
            return messages
        if count > 64 * tokens + 1024:
            raise JobError(f"{model_dir}: its tokenizer gives no {tokens} tokens for {count} words")
        count *= 2


def import_genai() -> Any:
    """onnxruntime_genai, or a SetupError that says how to install it."""
    try:
        import onnxruntime_genai
    except ImportError as error:
        raise SetupError(
            f"onnxruntime-genai cannot be imported ({error})", next_step="pip install 'olivepress[cpu]'"
        ) from error
    return onnxruntime_genai


def cell_metrics(
    samples: Sequence[LatencySample], *, prompt_tokens: int, load_ms: float, peak_memory_bytes: int
) -> dict[str, Measurement]:
    """The metrics of one cell from its raw samples; medians over repetitions with their bootstrap intervals.

    prefill_tps = prompt tokens / TTFT; decode_tps = steps / sum of step times, per repetition; the ITL percentiles are
    over the steps of all repetitions together (``numpy.quantile``, linear). Load and peak are one observation each.
    """
    ttft = [s.ttft_ms for s in samples]
    prefill = [prompt_tokens / (ms / 1e3) for ms in ttft]
    decode = [len(s.step_ms) / (sum(s.step_ms) / 1e3) for s in samples]
    steps = [ms for s in samples for ms in s.step_ms]

    def median(name: str, values: list[float]) -> Measurement:
        return measured(name, float(np.median(values)), n=len(values), interval=bootstrap_median(values))

    def percentile(name: str, q: float) -> Measurement:
        return measured(name, float(np.quantile(steps, q)), n=len(steps))

    return {
        "load_ms": measured("load_ms", load_ms, n=1),
        "ttft_ms": median("ttft_ms", ttft),
        "request_ttft_ms": median("request_ttft_ms", [s.request_ttft_ms for s in samples]),
        "prefill_tps": median("prefill_tps", prefill),
        "decode_tps": median("decode_tps", decode),
        "itl_p50_ms": percentile("itl_p50_ms", 0.5),
        "itl_p90_ms": percentile("itl_p90_ms", 0.9),
        "itl_p99_ms": percentile("itl_p99_ms", 0.99),
        "peak_memory_bytes": measured("peak_memory_bytes", float(peak_memory_bytes), n=1),
    }


def size_on_disk_bytes(model_dir: Path) -> int:
    """Bytes of all files below ``model_dir`` (links followed: a Hub snapshot is links into its blob store)."""
    return sum(file.stat().st_size for file in model_dir.rglob("*") if file.is_file())
