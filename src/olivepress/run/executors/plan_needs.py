"""What the jobs of a plan need of a worker, by the plan's estimates and by what a person asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from olivepress.catalog import BUILD, choices
from olivepress.core.errors import SetupError, UsageError
from olivepress.environments.lookup import environment
from olivepress.run.executors.needs import Announcement, Needs
from olivepress.run.training_device import needs_cuda
from olivepress.workflow.estimate import need
from olivepress.workflow.plan import Job, Plan

__all__ = ["asked_for", "check_labels", "device_names", "labels_of", "left_out", "needs_of"]


def needs_of(plan: Plan, job: Job, *, labels: Mapping[str, Sequence[str]], force: bool = False) -> Needs:
    """What a job of a plan needs of a worker. ``labels`` are what a person asked for, by the job's id, with or without
    its recipe before it; the name of a device of the catalog asks for that device."""
    wanted, asked = need(plan, job), asked_for(plan.recipe.name, job, labels)
    devices = {name: 1 for name in asked if name in device_names()}
    if job.kind == "finetune" and needs_cuda(plan):
        devices["cuda"] = 1
    prefers: tuple[str, ...] = ()
    if job.kind == "finetune":
        prefers = ("cuda",)
    elif job.target is not None and job.target.file in device_names():
        prefers = (job.target.file,)
    return Needs(
        memory_bytes=0 if force else wanted.memory_bytes,
        disk_bytes=0 if force else wanted.disk_bytes,
        environments=tuple(dict.fromkeys((BUILD, plan.environment_of(job)))),
        devices=devices,
        labels=tuple(name for name in asked if name not in device_names()),
        prefers=prefers,
    )


def left_out(plan: Plan, job: Job, workers: Sequence[Announcement]) -> SetupError | None:
    """The reason why no worker of the platforms of these could ever build an export; None for one that some could,
    once its environment is created there."""
    if job.target is None or not workers:
        return None
    build = environment(plan.environment_of(job))
    for worker in workers:
        if build.name in worker.environments or worker.platform in ("", *build.platforms):
            return None
    here = ", ".join(sorted({worker.platform for worker in workers}))
    return SetupError(
        f"{job.id}: environment {build.name} is for {', '.join(build.platforms) or 'no platform that is locked'}, the "
        f"workers have {here}: {build.elsewhere}",
        next_step="start a worker on such a machine, or remove the target from the recipe",
    )


def asked_for(recipe: str, job: Job, labels: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The labels of a job: ``JOB=LABEL`` is of that job in every recipe, ``RECIPE/JOB=LABEL`` in one."""
    return (*labels.get(job.id, ()), *labels.get(f"{recipe}/{job.id}", ()))


def device_names() -> frozenset[str]:
    """The devices of the catalog that a worker may announce."""
    return frozenset(choices()) - {"cpu"}


def labels_of(options: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """``JOB=LABEL`` of the command line, by job. SetupError for anything else."""
    labels = dict[str, tuple[str, ...]]()
    for option in options:
        job, _, label = option.partition("=")
        if not job or not label:
            raise UsageError(f"--on {option}: expected JOB=LABEL", next_step="--on export-cuda-int4=cuda")
        labels[job] = (*labels.get(job, ()), label)
    return labels


def check_labels(plans: Sequence[Plan], labels: Mapping[str, Sequence[str]]) -> None:
    """UsageError for a label of a job that the plans do not have."""
    known = {job.id for plan in plans for job in plan.jobs}
    named = known | {f"{plan.recipe.name}/{job.id}" for plan in plans for job in plan.jobs}
    for job in labels:
        if job not in named:
            raise UsageError(f"--on {job}: no job of that name; jobs: {', '.join(sorted(known))}")
