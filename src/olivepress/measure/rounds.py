"""Latency in interleaved rounds: in each round every workload of every model runs once, in a process of its own.

Interleaving exposes all models to the same load of the machine, so that two models of one bench session can be
compared round by round. Every second round runs in reverse order, because position in a round must favour no model.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from olivepress.core.errors import OlivepressError, SetupError
from olivepress.core.progress import StageProgress
from olivepress.data.store.examples import Message
from olivepress.measure.bench_session import BenchSession
from olivepress.measure.latency.cells import Cell
from olivepress.measure.latency.latency import LatencySpec, Workload
from olivepress.measure.settings import Settings
from olivepress.measure.subject import Subject
from olivepress.report.device_report import LatencySample, ProcessSample
from olivepress.runtimes.chat_template.model_config import context_length

__all__ = ["measure_rounds"]


def measure_rounds(
    subjects: Sequence[tuple[Subject, BenchSession]],
    settings: Settings,
    *,
    messages: tuple[Message, ...] | None = None,
    on_progress: StageProgress = lambda *_: None,
) -> list[list[Cell]]:
    """Run every workload of every subject in every round; returns one list of cells per subject, in the given order.

    A process that fails costs its workload that round; a workload that fails in its first round is not run again.
    ``messages`` is the dataset's prompt, for the workload without a fixed length. Raises SetupError when a runtime is
    not installed.
    """
    cells = [
        [_cell(subject, workload, settings, messages) for workload in settings.workloads] for subject, _ in subjects
    ]
    pending = [(s, w) for s, row in enumerate(cells) for w, cell in enumerate(row) if not cell.failures]
    order, total = 0, settings.rounds * len(pending)
    for number in range(settings.rounds):
        for s, w in pending if number % 2 == 0 else reversed(pending):
            on_progress("latency", order, total)
            order += 1
            subject, session = subjects[s]
            cell = cells[s][w]
            if cell.failures and not cell.samples:
                continue
            spec = _spec(subject, cell.workload, settings, number, messages)
            _measure(cell, session, spec, order, settings.timeout_s)
    on_progress("latency", total, total)
    return cells


def _spec(
    subject: Subject, workload: Workload, settings: Settings, number: int, messages: tuple[Message, ...] | None
) -> LatencySpec:
    return LatencySpec(
        model_dir=subject.model_dir,
        workload=workload,
        round=number,
        repetitions=settings.repetitions,
        warmups=settings.warmups,
        execution_provider=subject.execution_provider,
        allow_fallback=settings.allow_fallback,
        messages=messages if workload.prompt_tokens is None else None,
    )


def _cell(subject: Subject, workload: Workload, settings: Settings, messages: tuple[Message, ...] | None) -> Cell:
    """An empty cell, or one with the reason when it is clear without loading the model that it cannot be measured."""
    limit = context_length(subject.model_dir)
    total = (workload.prompt_tokens or 1) + workload.generated_tokens
    reason = subject.no_latency_reason
    if reason is None and limit is not None and total > limit:
        reason = f"{total} tokens exceed the model's context of {limit}"
    if reason is None and workload.prompt_tokens is None and messages is None:
        reason = settings.no_data
    return Cell(workload=workload, failures=[reason] if reason else [])


def _measure(cell: Cell, session: BenchSession, spec: LatencySpec, order: int, timeout_s: float | None) -> None:
    """Run one process and add its samples to ``cell``, or the reason of its failure."""
    try:
        result: dict[str, Any] = session.run("latency", spec.model_dump(mode="json"), timeout_s=timeout_s)
    except OlivepressError as error:
        if isinstance(error, SetupError):  # the runtime is missing: no cell can be measured
            raise
        cell.failures.append(error.message)
        return
    cell.samples += [LatencySample.model_validate(sample) for sample in result["samples"]]
    cell.processes.append(ProcessSample.model_validate(result["process"] | {"order": order}))
    cell.prompt_tokens = int(result["prompt_tokens"])
    cell.runtime_device = str(result["runtime_device"])
    cell.reasons = dict(result["reasons"])
