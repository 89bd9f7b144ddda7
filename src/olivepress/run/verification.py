"""A job's artifact verified in a process of its own: what is asked of it, and whether that was asked before."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from olivepress.adapters.start_adapter import start_adapter
from olivepress.catalog import Target
from olivepress.core.artifact import Manifest, Verified
from olivepress.core.child.run import Finished, run_task
from olivepress.core.errors import OlivepressError
from olivepress.core.hub import local_directory
from olivepress.core.layout import job_log, scratch_dir
from olivepress.recipe.methods import four_bit_base
from olivepress.run.failure import job_error
from olivepress.run.interpreters import Place, model_python, place_of
from olivepress.run.limits import judged_limits, limit_of, min_top1, task_limits, task_spec
from olivepress.run.olive import job_environment
from olivepress.run.package import package_spec
from olivepress.run.verify.export import STRENGTH, WITHOUT_TORCH, ExportSpec
from olivepress.run.verify.verify import Checks, VerifySpec, verify_job
from olivepress.workflow.olive_config import job_config
from olivepress.workflow.olive_plugin.built import asked_of_passes
from olivepress.workflow.plan import Job, Plan

__all__ = ["is_verified", "run_verification"]


def is_verified(plan: Plan, job: Job, manifest: Manifest) -> bool:
    """Whether a finished artifact is verified as far as this machine can, and by the limits that hold now."""
    if job.target is None:
        return True
    limits = judged_limits(plan, job)
    for check in manifest.checks:
        # A package's checks begin with the adapter they are of.
        name = check.name.rpartition(": ")[2]
        if check.limit is not None and limits.get(name) not in (None, check.limit):
            return False
    return _as_far_as_possible(job.target, manifest.verified) and _asked_same_answers(plan, job, manifest)


def _as_far_as_possible(target: Target, verified: Verified) -> bool:
    """Whether nothing stronger can be done here; of the strongest that is known without a process that opens a model
    on the provider."""
    return verified == STRENGTH[-1] or STRENGTH.index(place_of(target).how) <= STRENGTH.index(verified)


def _asked_same_answers(plan: Plan, job: Job, manifest: Manifest) -> bool:
    """Whether the task's answers were asked for where they would be now, by the same metric and of as many rows.

    What counts is what the machine of then could do: if this one can do less, or more, that alone is a reason.
    """
    limits = task_limits(plan, job, manifest.verified)
    verdicts = [check.task for check in manifest.checks if check.task]
    if limits is None:
        return not verdicts
    wanted = (limits.metric, limits.rows)
    return bool(verdicts) and all((verdict.metric, verdict.rows_limit) == wanted for verdict in verdicts)


def run_verification(plan: Plan, job: Job, place: Place | None) -> Finished[Checks]:
    """The checks of what the job wrote, made where the model is known. JobError when they cannot be made."""
    python = model_python(plan)
    scratch, log = scratch_dir(plan.recipe.name, job.id), job_log(plan.recipe.name, job.id)
    environment = job_environment(scratch=scratch)
    if job.kind == "export" and job.parent:
        environment |= WITHOUT_TORCH  # its parent was computed with the merge
    try:
        spec = _spec(plan, job, scratch, _seen_from(place, python))
        writes = (plan.output_dir(job), scratch)
        return run_task(verify_job, spec, interpreter=python, environment=environment, log=log, writes=writes)
    except OlivepressError as error:
        raise job_error(error, log) from error


def _seen_from(place: Place | None, python: Path | None) -> Place | None:
    """The place as a process of ``python`` has to name it, for which None is itself and not this Python."""
    if place is None or python is None or place.interpreter is not None or not place.runs_here:
        return place
    return replace(place, interpreter=Path(sys.executable))


def _spec(plan: Plan, job: Job, scratch: Path, place: Place | None) -> VerifySpec:
    settings = plan.recipe.finetune
    return VerifySpec(
        kind=job.kind,
        method=settings.method,
        freeze_layers=settings.freeze_layers,
        start_from=start_adapter(settings.start_from).folder.as_posix() if settings.start_from else None,
        four_bit=four_bit_base(settings.method, settings.torch_dtype),
        output_dir=plan.output_dir(job).as_posix(),
        parent_dir=plan.output_dir(plan.job(job.parent)).as_posix() if job.parent else None,
        base_model=plan.model.path,
        base_revision=plan.model.revision,
        dataset=plan.dataset.directory.as_posix(),
        train_on=settings.train_on,
        max_length=plan.max_length,
        limit=limit_of(plan, job),
        export=_export_spec(plan, job, scratch, place) if place and job.kind == "export" else None,
        package=package_spec(plan, job, scratch, place) if place and job.kind == "package" else None,
    )


def _export_spec(plan: Plan, job: Job, scratch: Path, place: Place) -> ExportSpec:
    target, limit = job.target, limit_of(plan, job)
    assert target is not None and limit is not None
    if job.parent:
        parent = plan.output_dir(plan.job(job.parent))
        model, reference = parent / "model", parent / "reference"
    else:
        model = local_directory(plan.model.path, plan.model.revision)
        reference = scratch / "reference"
    return ExportSpec(
        output_dir=plan.output_dir(job).as_posix(),
        parent_model=model.as_posix(),
        reference_dir=reference.as_posix(),
        dataset=plan.dataset.directory.as_posix(),
        scratch=scratch.as_posix(),
        how=place.how,
        interpreter=place.interpreter,
        execution_provider=target.execution_provider,
        precision=target.precision,
        limit=limit,
        min_top1=min_top1(plan, job),
        min_placed=target.min_placed,
        max_cpu_nodes=target.max_cpu_nodes,
        random_weights=plan.model.random_weights,
        has_adapter=job.parent is not None,
        task=task_spec(plan, job, place),
        asked=asked_of_passes(job_config(plan, job)["passes"]),
    )
