"""Runs the jobs of a plan, each in its own Olive process, and keeps only what it verified."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import psutil

from olivepress.catalog import Target
from olivepress.core.artifact import Manifest, changed_files, read_manifest
from olivepress.core.errors import AdapterError, JobError, ReportError, SetupError
from olivepress.core.layout import journal, recipe_runs, scratch_dir
from olivepress.core.process import exclusive
from olivepress.environments.lookup import check_platform, environment, interpreter, key_of, satisfied_here
from olivepress.measure.quality.long_row import LONG_ROW_FORMAT
from olivepress.measure.quality.reference_file import REFERENCE_FORMAT
from olivepress.models.admission import BaseModel
from olivepress.report.machine import package_versions
from olivepress.run.base_model import admit
from olivepress.run.choice import is_settled, pass_over, passed_over
from olivepress.run.cleanup import remove_caches, remove_directories
from olivepress.run.failure import ChecksFailed, keep_failed
from olivepress.run.job import make, verify_again
from olivepress.run.journal import Event, append, append_start
from olivepress.run.last_position import FORMAT
from olivepress.run.outcome import JobOutcome, Reporter
from olivepress.run.package import changed_adapters, parts_of
from olivepress.run.verification import is_verified
from olivepress.workflow.estimate import need
from olivepress.workflow.plan import Job, Plan, first_of_each_choice
from olivepress.workflow.render import render_all
from olivepress.workflow.rendered import Workflow

__all__ = ["job_key", "run_plan"]


def run_plan(
    plan: Plan,
    workflows: Sequence[Workflow],
    *,
    reporter: Reporter,
    only: str | None = None,
    force: bool = False,
    keep_going: bool = False,
) -> list[JobOutcome]:
    """Run every job that is not finished (or ``only`` one of them), in order, from the project root.

    An export that no machine of this platform can build is left out, unless it is the only one asked for. The exports
    of one choice are tried in order until one passes its checks. When one fails, the others are made all the same, and
    its outcome has the error. ``force`` starts a job although memory or disk are smaller than the estimate;
    ``keep_going`` although an export's environment is not here. Otherwise raises SetupError before the first job when
    an export cannot be made here; JobError when a fine-tune or a merge fails, or the only job asked for. What was
    finished before stays.
    """
    outcomes: list[JobOutcome] = []
    jobs = [job for job in plan.jobs if only is None or job.id == only]
    by_id = {workflow.job_id: workflow for workflow in workflows}
    base = admit(plan, reporter)
    with exclusive(recipe_runs(plan.recipe.name)):
        if not keep_going:
            _check_beforehand(
                plan, first_of_each_choice(jobs), lambda job: _current(plan, job, by_id, base)[1] is not None, force
            )
        for number, job in enumerate(jobs, 1):
            reporter.job_started(job, number, len(jobs))
            outcome = _without_trying(plan, job, by_id, base, outcomes) if only is None else None
            try:
                outcome = outcome or _run_job(plan, job, by_id, base, reporter, force)
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
    key, manifest = _current(plan, job, workflows, base)
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
    key, _ = _current(plan, job, workflows, base)
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
    if job.target is None:
        return None
    build = environment(job.target.build_environment)
    try:
        if not satisfied_here(build):
            check_platform(build)
    except SetupError as error:
        return JobOutcome(job=job.id, state="left out", error=error)
    return None


def _check_beforehand(plan: Plan, jobs: Sequence[Job], finished: Callable[[Job], bool], force: bool) -> None:
    """SetupError before hours are spent: an export that is asked for and cannot be built on this machine as it is."""
    errors = []
    for job in jobs:
        if job.target is None or finished(job) or _left_out(job):
            continue
        try:
            interpreter(job.target.build_environment)
            if not force:
                _check_resources(plan, job)
        except SetupError as error:
            errors.append((job.id, error))
    if errors:
        names = ", ".join(job_id for job_id, _ in errors)
        first = errors[0][1]
        raise SetupError(
            f"{len(errors)} exports cannot be built here ({names}): {first.message}",
            next_step=f"{first.next_step}; or remove them from the recipe's targets; or --keep-going",
        )


def job_key(
    plan: Plan,
    workflow: Workflow,
    parent_sha256: str | None,
    base_sha256: str,
    target: Target | None = None,
    others: Sequence[str] = (),
) -> str:
    """What a job's result depends on: workflow, dataset, parent artifact, base model, package versions, of a target
    what is done after Olive and the environment that it is built in, and the artifacts ``others`` of a package."""
    parts = [workflow.sha256, plan.dataset.version, parent_sha256 or "", base_sha256, *others]
    if parent_sha256 is not None or target is not None:  # a merge writes the reference, an export carries it
        parts.append(f"reference format {REFERENCE_FORMAT}, long row {LONG_ROW_FORMAT}")
    if target is not None:
        fields = target.model_dump(include={"runtime", "device", "execution_provider", "provider_options"})
        if target.last_logits:
            fields["last_logits"] = FORMAT
        parts.append(json.dumps(fields, sort_keys=True))
        build = environment(target.build_environment)
        parts.append("" if satisfied_here(build) or not build.platforms else key_of(build))
    parts += [f"{name}={version}" for name, version in sorted(package_versions().items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _current(
    plan: Plan, job: Job, workflows: Mapping[str, Workflow], base: BaseModel
) -> tuple[str | None, Manifest | None]:
    """The key that ``job`` has now, and its artifact when that is finished under this very key.

    The key is None when an ancestor is not finished under its own.
    """
    parent = None
    if job.parent:
        _, parent = _current(plan, plan.job(job.parent), workflows, base)
        if parent is None:
            return None, None
    others = []
    for member, part in parts_of(plan, job):
        rendered = {workflow.job_id: workflow for workflow in render_all(member)}
        _, manifest = _current(member, part, rendered, base)
        if manifest is None:
            return None, None
        others.append(manifest.sha256)
    # Training reads no generation_config.json: a changed one changes what carries it on.
    base_sha256 = base.training if job.kind == "finetune" else base.whole
    key = job_key(plan, workflows[job.id], parent.sha256 if parent else None, base_sha256, job.target, others)
    finished = _finished(plan.output_dir(job), key)
    if finished is not None and job.kind == "package" and changed_adapters(plan.output_dir(job)):
        return key, None
    return key, finished


def _run_job(
    plan: Plan, job: Job, workflows: Mapping[str, Workflow], base: BaseModel, reporter: Reporter, force: bool
) -> JobOutcome:
    workflow = workflows[job.id]
    key, finished = _current(plan, job, workflows, base)
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
    manifest = _with_journal(plan, job, key, workflow, reporter, work)
    remove_caches(workflow)
    return JobOutcome(job=job.id, state="done" if finished is None else "verified", manifest=manifest)


def _check_before_making(plan: Plan, job: Job, key: str, reporter: Reporter, force: bool) -> None:
    """SetupError when the job cannot be made here; a note when files of a finished artifact were changed."""
    if job.target is not None:
        interpreter(job.target.build_environment)
    if not force:
        _check_resources(plan, job)
    if changed := _changed_since(job, plan.output_dir(job), key):
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
            append(file, event, job.id, key, reason=str(error).split("\n")[0])
        raise
    append(file, "finished", job.id, key, sha256=manifest.sha256, seconds=manifest.resources.seconds)
    return manifest


def _made_from(job: Job) -> str:
    return "an adapter that it is made from" if job.kind == "package" else str(job.parent)


def _finished(output: Path, key: str) -> Manifest | None:
    """The manifest of a finished job with the same key whose files are unchanged (hashed again, unless the file system
    shows that they are)."""
    try:
        manifest = read_manifest(output)
    except ReportError:
        return None
    return manifest if manifest.key == key and not changed_files(output, manifest.files) else None


def _changed_since(job: Job, output: Path, key: str) -> list[str]:
    """The changed files of a finished job, which would be kept without the change."""
    try:
        manifest = read_manifest(output)
    except ReportError:
        return []
    if manifest.key != key:
        return []
    return changed_files(output, manifest.files) + (changed_adapters(output) if job.kind == "package" else [])


def _check_resources(plan: Plan, job: Job) -> None:
    wanted = need(plan, job)
    free = shutil.disk_usage(Path.cwd()).free
    if free < wanted.disk_bytes:
        raise SetupError(
            f"{job.id}: needs about {wanted.disk_bytes / 1e9:.1f} GB of disk, {free / 1e9:.1f} GB are free",
            next_step="free disk space, or --force",
        )
    memory = psutil.virtual_memory().total
    if memory < wanted.memory_bytes:
        raise SetupError(
            f"{job.id}: needs about {wanted.memory_bytes / 1e9:.1f} GB of memory, this machine has {memory / 1e9:.1f}",
            next_step="use a larger machine, or --force",
        )
