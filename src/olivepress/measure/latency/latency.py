"""Latency of one workload, measured inside a fresh process (``olivepress.measure.worker.child`` calls this).

Prefill and decode have separate rates: prefill multiplies all prompt tokens with every weight at once and is bound by
arithmetic, decode reads all weights for every single token and is bound by memory bandwidth.

onnxruntime-genai runs the model in ``append_tokens`` (the prefill); the first ``generate_next_token`` only samples from
those logits, each later call runs the model once and samples (tested, 0.14.1). TTFT is therefore the append and the
first step, and the steps after it are pure decode.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from olivepress.catalog.provider import CPU, provider
from olivepress.core.errors import JobError
from olivepress.core.process import peak_memory_bytes
from olivepress.data.store.examples import Message
from olivepress.report import counters
from olivepress.report.device_report import LatencySample, ProcessSample
from olivepress.runtimes.base import LanguageModel
from olivepress.runtimes.chat_template.model_config import context_length
from olivepress.runtimes.chat_template.prompts import render_question
from olivepress.runtimes.open import load_runtime

__all__ = ["DEFAULT_WORKLOADS", "LatencySpec", "Workload", "empty_step_ns", "measure_process"]
__all__ += ["prompt_of", "time_repetitions", "time_steps"]

FILLER = "the quick brown fox counts seven small boxes and puts them on the shelf by the window before noon"
EMPTY_STEPS = 10_000


class Workload(BaseModel):
    """Prompt tokens in, generated tokens out. Without ``prompt_tokens`` the prompt comes from the dataset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompt_tokens: int | None = Field(None, ge=1, le=10_000_000)
    generated_tokens: int = Field(ge=2, le=10_000_000)  # one token has no steps to time

    @property
    def name(self) -> str:
        return f"{self.prompt_tokens or 'dataset'}x{self.generated_tokens}"


DEFAULT_WORKLOADS = tuple(
    Workload(prompt_tokens=p, generated_tokens=g)
    for p, g in ((32, 32), (128, 128), (512, 128), (2048, 128), (None, 32))
)


class LatencySpec(BaseModel):
    """What one measuring process does: ``warmups`` of the full shape, then ``repetitions`` that count.

    ``messages`` is the dataset's prompt for a workload without a length.
    """

    model_config = ConfigDict(frozen=True)

    model_dir: Path
    workload: Workload
    round: int = 0
    repetitions: int = Field(3, ge=1)
    warmups: int = Field(1, ge=0)
    execution_provider: str = CPU.name
    allow_fallback: bool = False
    messages: tuple[Message, ...] | None = None


def measure_process(spec: LatencySpec) -> dict[str, Any]:
    """Load the model in this (fresh) process and time one workload.

    Returns ``process`` (a ProcessSample without its order), ``samples``, ``prompt_tokens``, ``runtime_device`` and
    ``reasons`` (metric → why it has no value, or None). JobError when the workload exceeds the context, the provider
    fell back to the CPU, or generation stopped early.
    """
    energy = counters.EnergyCounter.find()
    watch = counters.Watch()
    open_model = load_runtime(spec.model_dir)
    start = time.perf_counter_ns()
    model = open_model(spec.model_dir)
    load_ms = (time.perf_counter_ns() - start) / 1e6
    on_cpu = model.device.upper() == "CPU"
    if provider(spec.execution_provider).hides_absence and on_cpu and not spec.allow_fallback:
        raise JobError(f"requested {spec.execution_provider}, the runtime placed the model on the CPU")
    messages, tokens = prompt_of(spec, model)
    time_repetitions(model, spec, messages, tokens, spec.warmups)
    before = None if isinstance(energy, counters.Unavailable) else energy.read()
    samples = time_repetitions(model, spec, messages, tokens, spec.repetitions)
    joules = None if isinstance(energy, counters.Unavailable) or before is None else energy.joules_since(before)
    memory = counters.Unavailable("the model runs on the CPU") if on_cpu else counters.accelerator_memory_bytes()
    process = ProcessSample(
        workload=spec.workload.name,
        round=spec.round,
        order=0,
        load_ms=load_ms,
        peak_memory_bytes=peak_memory_bytes(),
        peak_accelerator_memory_bytes=memory if isinstance(memory, int) else None,
        energy_j=joules,
        harness_step_ns=empty_step_ns(),
        conditions=watch.conditions(),
    )
    return {
        "process": process.model_dump(),
        "samples": [sample.model_dump() for sample in samples],
        "prompt_tokens": tokens,
        "runtime_device": model.device,
        "reasons": {
            "peak_accelerator_memory_bytes": memory.reason if isinstance(memory, counters.Unavailable) else None,
            "energy_j_per_token": energy.reason if isinstance(energy, counters.Unavailable) else None,
        },
    }


def prompt_of(spec: LatencySpec, model: LanguageModel) -> tuple[list[Message], int]:
    """The conversation to prefill and how many tokens of it; JobError when it does not fit the context."""
    length, limit = spec.workload.prompt_tokens, context_length(spec.model_dir)
    if length is None:
        if spec.messages is None:
            raise JobError(f"workload {spec.workload.name} needs a dataset")
        messages = list(spec.messages[:-1])  # without the answer, which a request asks for
        length = len(model.encode(render_question(spec.model_dir, messages)))
    else:
        messages = []
    total = length + spec.workload.generated_tokens
    if limit is not None and total > limit:
        raise JobError(f"workload {spec.workload.name} needs {total} tokens, the context has {limit}")
    return messages or _messages_of_length(spec.model_dir, model, length), length


def time_repetitions(
    model: LanguageModel, spec: LatencySpec, messages: list[Message], tokens: int, times: int
) -> list[LatencySample]:
    """Time the workload ``times`` times in a row; the prompt is the first ``tokens`` tokens of ``messages``."""
    samples = []
    gc.disable()  # a collection inside a step would be charged to the model
    try:
        for repetition in range(times):
            samples.append(_time_once(model, spec, messages, tokens, repetition))
            gc.collect()
    finally:
        gc.enable()
    return samples


def _time_once(
    model: LanguageModel, spec: LatencySpec, messages: list[Message], tokens: int, repetition: int
) -> LatencySample:
    clock = time.perf_counter_ns
    name, total = spec.workload.name, tokens + spec.workload.generated_tokens
    stamps = [0] * spec.workload.generated_tokens  # allocated before the clock runs
    requested = clock()
    ids = model.encode(render_question(spec.model_dir, messages))[:tokens]
    generation = model.generation(total, shortest=total)
    step = generation.step
    begin = clock()
    generation.append(ids)
    time_steps(step, stamps)
    ended = len(generation.tokens())
    if len(ids) != tokens or ended != total:
        raise JobError(f"workload {name} ended with {ended} tokens, not {total}")
    return LatencySample(
        workload=name,
        round=spec.round,
        repetition=repetition,
        ttft_ms=(stamps[0] - begin) / 1e6,
        request_ttft_ms=(stamps[0] - requested) / 1e6,
        step_ms=tuple(step_ns / 1e6 for step_ns in np.diff(stamps).tolist()),
    )


def time_steps(step: Callable[[], object], stamps: list[int]) -> None:
    """Call ``step`` once per entry of ``stamps`` and store the clock (ns) after each call, with minimal overhead."""
    clock = time.perf_counter_ns
    for index in range(len(stamps)):
        step()
        stamps[index] = clock()


def empty_step_ns() -> float:
    """The cost of ``time_steps`` itself in ns per token: an upper bound, since it includes a function call."""
    stamps = [0] * EMPTY_STEPS
    time_steps(gc.isenabled, stamps)
    return (stamps[-1] - stamps[0]) / (EMPTY_STEPS - 1)


def _messages_of_length(model_dir: Path, model: LanguageModel, tokens: int) -> list[Message]:
    """The shortest conversation of filler words whose rendered prompt has at least ``tokens`` tokens (to be cut)."""
    words = FILLER.split()

    def conversation(count: int) -> list[Message]:
        text = " ".join(words[i % len(words)] for i in range(count))
        return [{"role": "user", "content": text}]

    def length(count: int) -> int:
        return len(model.encode(render_question(model_dir, conversation(count))))

    low, high = 0, 8
    while length(high) < tokens:
        if high > 64 * tokens + 1024:
            raise JobError(f"{model_dir}: its tokenizer does not produce {tokens} tokens from {high} words")
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if length(middle) >= tokens else (middle, high)
    return conversation(high)
