"""Whether this machine can make a job: its platform, its environments, its memory and its disk."""

from __future__ import annotations

import shutil
from pathlib import Path

import psutil

from olivepress.core.errors import SetupError
from olivepress.environments.lookup import check_platform, environment, satisfied_here
from olivepress.run.interpreters import olive_python
from olivepress.run.training_device import check_training_device, memory_to_train_on, training_device
from olivepress.workflow.estimate import gpu_bytes, need
from olivepress.workflow.plan import Job, Plan

__all__ = ["check_here", "not_on_this_platform"]


def not_on_this_platform(job: Job) -> SetupError | None:
    """The reason why no machine of this platform can build an export; None for one that it can."""
    if job.target is None:
        return None
    build = environment(job.target.build_environment)
    try:
        if not satisfied_here(build):
            check_platform(build)
    except SetupError as error:
        return error
    return None


def check_here(plan: Plan, job: Job, *, force: bool = False) -> None:
    """SetupError when the job cannot be made on this machine as it is; ``force`` leaves out memory and disk."""
    olive_python(plan, job)
    if job.kind == "finetune":
        check_training_device(plan)
    if not force:
        _check_resources(plan, job)


def _check_resources(plan: Plan, job: Job) -> None:
    wanted = need(plan, job)
    free = shutil.disk_usage(Path.cwd()).free
    if free < wanted.disk_bytes:
        raise SetupError(
            f"{job.id}: needs about {wanted.disk_bytes / 1e9:.1f} GB of disk, {free / 1e9:.1f} GB are free",
            next_step="free disk space, or --force",
        )
    memory, needed, has = psutil.virtual_memory().total, wanted.memory_bytes, "this machine has"
    if job.kind == "finetune" and training_device() == "cuda":
        on_gpu = memory_to_train_on(plan)
        if on_gpu is None:  # not known, and this machine's own memory says nothing of it
            return
        memory, needed, has = on_gpu, gpu_bytes(plan), "the GPU has"
    if memory < needed:
        raise SetupError(
            f"{job.id}: needs about {needed / 1e9:.1f} GB of memory, {has} {memory / 1e9:.1f}",
            next_step=f"{_smaller(plan, job)}use a larger machine, or --force",
        )


def _smaller(plan: Plan, job: Job) -> str:
    """What makes a fine-tune of all weights smaller."""
    if job.id != plan.trained or job.kind != "finetune":
        return ""
    return "set finetune.method: lora, freeze_layers, gradient_checkpointing: true or a smaller batch_size, "
