"""Runs the jobs of a plan, each in its own Olive process, and keeps only what it verified."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from olivepress.core.artifact import Manifest, read_manifest
from olivepress.core.errors import AdapterError, JobError, OlivepressError, SetupError, whole_message
from olivepress.core.layout import journal, recipe_runs, scratch_dir
from olivepress.core.process import exclusive
from olivepress.models.admission import BaseModel
from olivepress.run.base_model import admit
from olivepress.run.choice import is_settled, pass_over, passed_over
from olivepress.run.cleanup import remove_caches, remove_directories
from olivepress.run.failure import ChecksFailed, OutOfMemory, keep_failed
from olivepress.run.finished import changed_since, current
from olivepress.run.here import check_here, not_on_this_platform
from olivepress.run.job import make, verify_again
from olivepress.run.journal import Event, append, append_start
from olivepress.run.outcome import JobObserver, JobOutcome, Reporter
from olivepress.run.verification import is_verified
from olivepress.workflow.plan import Job, Plan, first_of_each_choice
from olivepress.workflow.rendered import Workflow

__all__ = ["run_plan"]


def run_plan(
    plan: Plan,
    workflows: Sequence[Workflow],
    *,
    reporter: Reporter,
    only: str | None = None,
    force: bool = False,
    keep_going: bool = False,
    base: BaseModel | None = None,
    observer: JobObserver | None = None,
) -> list[JobOutcome]:
    """Run every job that is not finished (or ``only`` one of them), in order, from the project root.

    An export that no machine of this platform can build is left out, unless it is the only one asked for. The exports
    of one choice are tried in order until one passes its checks. When one fails, the others are made all the same, and
    its outcome has the error. ``force`` starts a job although memory or disk are smaller than the estimate;
    ``keep_going`` although an export's environment is not here. Otherwise raises SetupError before the first job when
    an export cannot be made here; JobError when a fine-tune or a merge fails, or the only job asked for. What was
    finished before stays. ``base`` None: the base model is fetched and checked first. ``observer`` is called for each
    job that is made.
    """
    outcomes: list[JobOutcome] = []
    jobs = [job for job in plan.jobs if only is None or job.id == only]
    by_id = {workflow.job_id: workflow for workflow in workflows}
    base = base or admit(plan, reporter)
    with exclusive(recipe_runs(plan.recipe.name)):
        if not keep_going:
            _check_beforehand(
                plan, first_of_each_choice(jobs), lambda job: current(plan, job, by_id, base)[1] is not None, force
            )
        for number, job in enumerate(jobs, 1):
            reporter.job_started(job, number, len(jobs))
            outcome = _without_trying(plan, job, by_id, base, outcomes) if only is None else None
            try:
                outcome = outcome or _run_job(plan, job, by_id, base, reporter, force, observer)
            except (JobError, SetupError, AdapterError) as error:
                if job.target is None or only is not None:
                    raise
                outcome = _not_finished(plan, job, jobs[number:], by_id, base, error)
            reporter.job_ended(outcome)
            outcomes.append(outcome)
    return outcomes


def _without_trying(
    plan: Plan, job: Job, workflows: Mapping[str, Workflow], base: BaseModel, outcomes: Sequence[JobOutcome]
) -> JobOutcome | None:
    """The outcome of a job that is not needed, cannot be tried here, or was tried before; None of one to run."""
    if is_settled(outcomes, plan, job):
        return JobOutcome(job=job.id, state="not needed")
    if job.choice is None:
        return _left_out(job)
    if (left_out := _left_out(job)) is not None:
        return left_out
    key, manifest = current(plan, job, workflows, base)
    return passed_over(plan, job, key) if key is not None and manifest is None else None


def _not_finished(
    plan: Plan,
    job: Job,
    rest: Sequence[Job],
    workflows: Mapping[str, Workflow],
    base: BaseModel,
    error: JobError | SetupError | AdapterError,
) -> JobOutcome:
    """The outcome of an export that failed: passed over, where another target of its device is still to be tried."""
    if not isinstance(error, ChecksFailed):
        return JobOutcome(job=job.id, state="failed", error=error)
    key, _ = current(plan, job, workflows, base)
    if job.choice is None or key is None:
        return JobOutcome(job=job.id, state="failed", error=error, failed_checks=error.checks)
    if any(other.choice == job.choice for other in rest):
        pass_over(plan, job, key, error)
        return JobOutcome(job=job.id, state="passed over", error=error, failed_checks=error.checks)
    message = f"no target of {job.choice} passes its checks; the last: {error.message}"
    last = ChecksFailed(message, checks=error.checks, next_step=error.next_step)
    return JobOutcome(job=job.id, state="failed", error=last, failed_checks=error.checks)


def _left_out(job: Job) -> JobOutcome | None:
    """The outcome of an export that no machine of this platform can build."""
    error = not_on_this_platform(job)
    return None if error is None else JobOutcome(job=job.id, state="left out", error=error)


def _check_beforehand(plan: Plan, jobs: Sequence[Job], finished: Callable[[Job], bool], force: bool) -> None:
    """SetupError before hours are spent: an export that is asked for and cannot be built on this machine as it is."""
    errors = []
    for job in jobs:
        if job.target is None or finished(job) or _left_out(job):
            continue
        try:
            check_here(plan, job, force=force)
        except SetupError as error:
            errors.append((job.id, error))
    if errors:
        names = ", ".join(job_id for job_id, _ in errors)
        first = errors[0][1]
        raise SetupError(
            f"{len(errors)} exports cannot be built here ({names}): {first.message}",
            next_step=f"{first.next_step}; or remove them from the recipe's targets; or --keep-going",
        )


def _run_job(
    plan: Plan,
    job: Job,
    workflows: Mapping[str, Workflow],
    base: BaseModel,
    reporter: Reporter,
    force: bool,
    observer: JobObserver | None,
) -> JobOutcome:
    workflow = workflows[job.id]
    key, finished = current(plan, job, workflows, base)
    if key is None:
        raise JobError(
            f"{job.id}: {_made_from(job)} is not finished, or is of an older recipe, dataset or package set, or its "
            "files were changed",
            next_step="run without --job",
        )
    if finished is not None and is_verified(plan, job, finished):
        return JobOutcome(job=job.id, state="kept", manifest=finished)
    if finished is None:
        _check_before_making(plan, job, key, reporter, force)
    parent = read_manifest(plan.output_dir(plan.job(job.parent))) if job.parent else None
    if finished is not None:
        work = partial(verify_again, plan, job, finished, reporter)
    else:
        work = partial(make, plan, job, workflow, parent, key, reporter)
    run = partial(_with_journal, plan, job, key, workflow, reporter, work)
    if finished is None and observer is not None:
        manifest = _observed(observer, reporter, plan, job, workflow, key, run)
    else:
        manifest = run()
    remove_caches(workflow)
    return JobOutcome(job=job.id, state="done" if finished is None else "verified", manifest=manifest)


def _check_before_making(plan: Plan, job: Job, key: str, reporter: Reporter, force: bool) -> None:
    """SetupError when the job cannot be made here; a note when files of a finished artifact were changed."""
    check_here(plan, job, force=force)
    if changed := changed_since(job, plan.output_dir(job), key):
        reporter.note(job, f"files changed since it was finished: {', '.join(changed[:3])}; it is made again")


def _with_journal(
    plan: Plan, job: Job, key: str, workflow: Workflow, reporter: Reporter, work: Callable[[], Manifest]
) -> Manifest:
    """Note in the journal that the job starts and how it ends; after an error only its checkpoints stay in place."""
    file = journal(plan.recipe.name)
    append_start(file, plan, job, key)
    try:
        manifest = work()
    except BaseException as error:
        if isinstance(error, JobError | AdapterError) and (kept := keep_failed(plan.output_dir(job))):
            reporter.note(job, kept.text)
        remove_directories(plan.output_dir(job), workflow.cache_dir, scratch_dir(plan.recipe.name, job.id))
        event: Event = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
        with contextlib.suppress(OSError):  # on a full disk the first error is the one to show
            append(file, event, job.id, key, reason=str(error).split("\n")[0], **_memory_of(error))
        raise
    append(file, "finished", job.id, key, sha256=manifest.sha256, seconds=manifest.resources.seconds)
    return manifest


def _memory_of(error: BaseException) -> dict[str, Any]:
    """What the journal keeps of a job that ended for want of memory."""
    if not isinstance(error, OutOfMemory):
        return {}
    return {"out_of_memory": True, "peak_memory_bytes": error.peak_memory_bytes}


def _observed(
    observer: JobObserver,
    reporter: Reporter,
    plan: Plan,
    job: Job,
    workflow: Workflow,
    key: str,
    run: Callable[[], Manifest],
) -> Manifest:
    """Run the job with the observer called before and after it. An error of the observer is a note: the job counts."""

    def call(what: Callable[[], None]) -> None:
        try:
            what()
        except Exception as error:
            reporter.note(job, f"this run is not recorded completely: {whole_message(error)}")

    call(partial(observer.job_begins, plan, job, workflow, key))
    try:
        manifest = run()
    except BaseException as error:
        status: Literal["interrupted", "failed"] = "failed"
        if isinstance(error, KeyboardInterrupt):
            status = "interrupted"
        reason = str(error).split("\n")[0]
        if reason and not isinstance(error, OlivepressError):
            reason = f"{type(error).__name__}: {reason}"
        call(partial(observer.job_ends, status, reason=reason))
        raise
    call(partial(observer.job_ends, "finished", manifest=manifest))
    return manifest


def _made_from(job: Job) -> str:
    return "an adapter that it is made from" if job.kind == "package" else str(job.parent)
