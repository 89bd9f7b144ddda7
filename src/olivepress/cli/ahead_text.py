"""What a run would do on this machine, in words: what is kept, what runs and for how long, and what cannot run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from olivepress.catalog import BUILD
from olivepress.cli.cost_table import size_text
from olivepress.core.messages import some_of
from olivepress.core.pace import duration
from olivepress.workflow.evaluation import evaluation_of
from olivepress.workflow.machine_rates import machine_rates

if TYPE_CHECKING:
    from olivepress.pipeline.plan import Ahead
    from olivepress.run import Outlook
    from olivepress.workflow.estimate import Need
    from olivepress.workflow.plan import Job, Plan

__all__ = ["ahead_lines", "environment_note", "machine_record"]

_NAMED_PACKAGES = ("transformers", "onnxruntime-genai")
_NAMED = 3  # jobs that are named of those that cannot run for the same reason
_WORDS = {
    "kept": "kept",
    "verify": "checked again",
    "run": "to run",
    "if needed": "if needed",
    "not needed": "not needed",
    "passed over": "passed over",
    "cannot": "cannot run",
    "left out": "left out",
}


def ahead_lines(ahead: Ahead) -> Iterator[str]:
    """How many jobs are kept and run, what these take in all, and the reasons why others cannot run."""
    counts = [f"{len(jobs)} {word}" for state, word in _WORDS.items() if (jobs := ahead.of(state))]
    yield f"this machine: {', '.join(counts)}"
    yield from _training_lines(ahead)
    if ahead.to_run is not None:
        yield from _need_lines(ahead.to_run)
    yield from _reason_lines(ahead.of("cannot", "left out", "passed over"))


def environment_note(plan: Plan) -> str | None:
    """Which environment all jobs run in, where the model needs another than this one; None where it does not."""
    from olivepress.environments.lookup import environment

    family = plan.model.family
    if family.build_environment == BUILD:
        return None
    pins = environment(family.build_environment).pins
    versions = ", ".join(f"{name} {pins[name]}" for name in _NAMED_PACKAGES if name in pins)
    return f"{family.family} models need the environment {family.build_environment} ({versions}): all jobs run there"


def _training_lines(ahead: Ahead) -> Iterator[str]:
    """Where each fine-tune that will run is trained, how it is evaluated, and which checkpoint ships."""
    from olivepress.run.training_device import training_device, training_place

    for plan, job, _ in ahead.of("run"):
        if job.kind != "finetune":
            continue
        settings, splits = plan.recipe.finetune, plan.dataset.splits
        evaluation = evaluation_of(settings, train_rows=len(splits["train"]), validation_rows=len(splits["validation"]))
        text = f"{plan.recipe.name}: {settings.method} trains on {training_place(plan)} of this machine"
        if evaluation is None:
            yield f"{text}, without validation"
        else:
            yield (
                f"{text}, {evaluation.count} times evaluated on {evaluation.rows} validation rows; the "
                f"{settings.keep} checkpoint ships"
            )
        if training_device() == "cuda":
            yield f"{plan.recipe.name}: {_gpu_text(plan)}; times are those of the CPU"


def _gpu_text(plan: Plan) -> str:
    """What the fine-tune takes of the GPU, counted as on the CPU."""
    from olivepress.run.training_device import memory_to_train_on
    from olivepress.workflow.estimate import gpu_bytes

    memory = memory_to_train_on(plan)
    if memory is None:
        return f"about {size_text(gpu_bytes(plan))} of GPU memory, which is not known here and not checked"
    return f"about {size_text(gpu_bytes(plan))} of GPU memory (of {size_text(memory)})"


def _need_lines(wanted: Need) -> Iterator[str]:
    memory, free = psutil.virtual_memory().total, shutil.disk_usage(Path.cwd()).free
    yield (
        f"to run: about {duration(wanted.seconds)}, {size_text(wanted.memory_bytes)} of memory (of "
        f"{size_text(memory)}), {size_text(wanted.disk_bytes)} of disk ({size_text(free)} free)"
    )
    if wanted.disk_bytes > free:
        yield "the disk is too small for all of it: free disk space, or run some jobs elsewhere (--job)"
    rates = machine_rates()
    if rates.measured_at is None:
        yield "times are rough: this machine was not measured (olivepress plan measures it where PyTorch is installed)"
    elif rates.busy:
        yield f"times are of a busy machine: other programs took {100 * rates.other_load:.0f} % of it when measured"


def _reason_lines(jobs: Sequence[tuple[Plan, Job, Outlook]]) -> Iterator[str]:
    """One line for each reason; jobs that differ in figures only, and need the same, share one."""
    groups: dict[tuple[str, str], list[tuple[Job, Outlook]]] = {}
    for _, job, outlook in jobs:
        reason = outlook.reason.removeprefix(f"{job.id}: ")
        groups.setdefault((outlook.state, outlook.next_step or reason), []).append((job, outlook))
    for (state, _), members in groups.items():
        job, outlook = members[0]
        names = [each.id for each, _ in members]
        step = f"; next: {outlook.next_step}" if outlook.next_step else ""
        yield f"  {_WORDS[state]}: {some_of(names, _NAMED)}: {outlook.reason.removeprefix(f'{job.id}: ')}{step}"


def machine_record() -> dict[str, Any]:
    """What the estimates rest on: rates of this machine, when they were measured, its memory and free disk."""
    rates = machine_rates()
    at = None if rates.measured_at is None else datetime.fromtimestamp(rates.measured_at, UTC)
    return {
        **rates.model_dump(),
        "measured_at": at.isoformat(timespec="seconds") if at else None,
        "memory_bytes": psutil.virtual_memory().total,
        "free_disk_bytes": shutil.disk_usage(Path.cwd()).free,
    }
