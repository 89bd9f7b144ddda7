"""One trial of session settings in a fresh process: the tokens it generates, its rates, its effect on the session.

The greedy tokens come first and serve as warm-up. They are compared in every process of every round, because a setting
that changes them only sometimes must not ship either.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict, Field

from olivepress.data.store.examples import Message
from olivepress.measure.latency.latency import LatencySpec, Workload, prompt_of, time_repetitions
from olivepress.measure.quality.accuracy import greedy_answers
from olivepress.measure.quality.reference_file import read_reference
from olivepress.runtimes.base import LanguageModel
from olivepress.runtimes.chat_template.model_config import context_length
from olivepress.runtimes.chat_template.prompts import render_question
from olivepress.runtimes.open import load_runtime
from olivepress.runtimes.session_space import unknown_entries

__all__ = ["TrialResult", "TrialSpec", "run_trial"]

# Used where no reference of the parent travels with the artifact.
QUESTIONS = (
    "What is the capital of France, and why is it known?",
    "Turn the lamp in the kitchen on and the one in the hall off.",
    "Write three sentences about a ship that comes home in the rain.",
    '{"name": "set_timer", "minutes": 12}',
)


class TrialSpec(BaseModel):
    """One trial: ``answers`` prompts answered with at most ``tokens`` tokens each, then the workload timed.

    The prompts come from the reference in ``reference_dir``, or are fixed ones without it. ``entries`` are the keys
    that are set. ``axis`` and ``round`` only distinguish trials of the same setting.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model_dir: Path
    execution_provider: str
    workload: Workload
    repetitions: int = Field(3, ge=1)
    reference_dir: Path | None = None
    answers: int = Field(8, ge=1)
    tokens: int = Field(24, ge=1)
    entries: tuple[str, ...] = ()
    axis: str = ""
    round: int = 0


class TrialResult(BaseModel):
    """``tokens`` are the greedy answers, followed by the whole sequence of the workload, which no EOS ends.

    Rates are in tokens/s, medians over the repetitions. ``threads`` is the number of threads that opening the model
    started; ``pinned`` of them are bound to other processors than the process (None where the system does not report
    it). ``cores_busy`` is CPU time over wall time while the workload was timed. ``unknown`` lists keys that this ONNX
    Runtime does not have; if there are any, nothing else was measured.
    """

    model_config = ConfigDict(frozen=True)

    unknown: tuple[str, ...] = ()
    tokens: tuple[tuple[int, ...], ...] = ()
    prefill_tps: float = 0.0
    decode_tps: float = 0.0
    threads: int = 0
    pinned: int | None = None
    cores_busy: float = 0.0
    load_ms: float = 0.0


def run_trial(spec: TrialSpec) -> TrialResult:
    """Open the model, generate, time. Raises what opening and generating raise (JobError, SetupError, DataError)."""
    unknown = unknown_entries(spec.entries, spec.execution_provider)
    if unknown:
        return TrialResult(unknown=tuple(unknown))
    open_model, process = load_runtime(spec.model_dir), psutil.Process()
    before, began = process.num_threads(), time.perf_counter()
    model = open_model(spec.model_dir)
    load_ms, threads = 1e3 * (time.perf_counter() - began), process.num_threads() - before
    timed = LatencySpec(
        model_dir=spec.model_dir, workload=spec.workload, round=spec.round, execution_provider=spec.execution_provider
    )
    messages, length = prompt_of(timed, model)
    tokens = greedy_answers(model, spec.model_dir, _prompts(spec, model), spec.tokens)
    tokens.append(_whole_sequence(model, spec, messages, length))
    used, clock = sum(process.cpu_times()[:2]), time.perf_counter()
    samples = time_repetitions(model, timed, messages, length, spec.repetitions)
    wall, used = time.perf_counter() - clock, sum(process.cpu_times()[:2]) - used
    ttft = sorted(sample.ttft_ms for sample in samples)[len(samples) // 2]
    return TrialResult(
        tokens=tuple(map(tuple, tokens)),
        prefill_tps=1e3 * length / ttft,
        decode_tps=sorted(sample.decode_tps for sample in samples)[len(samples) // 2],
        threads=threads,
        pinned=_pinned(),
        cores_busy=used / wall,
        load_ms=load_ms,
    )


def _prompts(spec: TrialSpec, model: LanguageModel) -> list[list[int]]:
    """Token ids of the prompts to answer, without those that leave no room in the context."""
    limit = context_length(spec.model_dir)
    prompts = list[list[int]]()
    if spec.reference_dir is not None:
        prompts = [ids.tolist() for ids, _ in read_reference(spec.reference_dir).greedy]
    if not prompts:
        questions: list[list[Message]] = [[{"role": "user", "content": question}] for question in QUESTIONS]
        prompts = [model.encode(render_question(spec.model_dir, messages)) for messages in questions]
    return [ids for ids in prompts if ids and (limit is None or len(ids) < limit)][: spec.answers]


def _whole_sequence(model: LanguageModel, spec: TrialSpec, messages: list[Message], length: int) -> list[int]:
    """The workload generated once: the prompt tokens and all generated ones, without stopping at an EOS."""
    total = length + spec.workload.generated_tokens
    generation = model.generation(total, shortest=total)
    generation.append(model.encode(render_question(spec.model_dir, messages))[:length])
    while not generation.done():
        generation.step()
    return generation.tokens()


def _pinned() -> int | None:
    """Threads of this process with another processor affinity than the process; None except on Linux."""
    if sys.platform != "linux":
        return None
    own = os.sched_getaffinity(0)
    masks = []
    for task in Path("/proc/self/task").iterdir():
        try:
            masks.append(os.sched_getaffinity(int(task.name)))
        except ProcessLookupError:  # it ended meanwhile
            continue
    return sum(mask != own for mask in masks)
