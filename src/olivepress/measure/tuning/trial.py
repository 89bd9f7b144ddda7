"""One alternative of session settings in a fresh process: what it generates, how fast, what it did to the session.

The greedy tokens come first and are the warm-up. They are looked at in every process of every round, not once: a
setting that changes them now and then must not ship either.
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
from olivepress.runtimes.chat_template.prompts import context_length, render_question
from olivepress.runtimes.open import load_runtime
from olivepress.runtimes.session_space import unknown_entries

__all__ = ["Seen", "TrialSpec", "run_trial"]

# Asked where no reference of the parent travels with the artifact.
QUESTIONS = (
    "What is the capital of France, and why is it known?",
    "Turn the lamp in the kitchen on and the one in the hall off.",
    "Write three sentences about a ship that comes home in the rain.",
    '{"name": "set_timer", "minutes": 12}',
)


class TrialSpec(BaseModel):
    """``answers`` prompts of the reference in ``reference_dir`` (None: fixed ones) are answered with at most ``tokens``
    tokens. ``entries`` are the keys that are set. ``axis`` and ``round`` only tell trials of one setting apart."""

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


class Seen(BaseModel):
    """What one process saw. ``tokens`` are the greedy answers, and last the whole sequence of the workload, which ends
    at no EOS. Rates in tokens/s, medians over the repetitions. ``threads`` opening the model started; ``pinned`` of
    them may run on other processors than the process (None where the system does not tell). ``cores_busy`` is CPU time
    over wall time while it was timed. ``unknown`` keys are none of this ONNX Runtime: nothing else was then looked at.
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


def run_trial(spec: TrialSpec) -> Seen:
    """Open the model, generate, time. Raises what opening and generating raise (JobError, SetupError, DataError)."""
    unknown = unknown_entries(spec.entries, spec.execution_provider)
    if unknown:
        return Seen(unknown=tuple(unknown))
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
    return Seen(
        tokens=tuple(map(tuple, tokens)),
        prefill_tps=1e3 * length / ttft,
        decode_tps=sorted(sample.decode_tps for sample in samples)[len(samples) // 2],
        threads=threads,
        pinned=_pinned(),
        cores_busy=used / wall,
        load_ms=load_ms,
    )


def _prompts(spec: TrialSpec, model: LanguageModel) -> list[list[int]]:
    """Token ids of what is answered; a prompt that leaves no room in the context is left out."""
    limit = context_length(spec.model_dir)
    if spec.reference_dir is not None:
        found = [ids.tolist() for ids, _ in read_reference(spec.reference_dir).greedy]
    else:
        found = []
    if not found:
        asked: list[list[Message]] = [[{"role": "user", "content": question}] for question in QUESTIONS]
        found = [model.encode(render_question(spec.model_dir, messages)) for messages in asked]
    return [ids for ids in found if ids and (limit is None or len(ids) < limit)][: spec.answers]


def _whole_sequence(model: LanguageModel, spec: TrialSpec, messages: list[Message], length: int) -> list[int]:
    """The workload's shape generated once: prompt tokens and all that follow, whatever EOS would have come."""
    total = length + spec.workload.generated_tokens
    generation = model.generation(total, shortest=total)
    generation.append(model.encode(render_question(spec.model_dir, messages))[:length])
    while not generation.done():
        generation.step()
    return generation.tokens()


def _pinned() -> int | None:
    """Threads of this process that are kept to other processors than its first one."""
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
