"""The jobs of plans as tasks of a cluster: prepared, journalled and put in place on the submitting side."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from olivepress.core.artifact import MANIFEST, Check, Manifest
from olivepress.core.errors import JobError, OlivepressError, SetupError
from olivepress.core.layout import job_log, journal, parent_answers, recipe_runs
from olivepress.core.process import exclusive
from olivepress.models.admission import BaseModel
from olivepress.run.base_model import admit
from olivepress.run.choice import pass_over, passed_over
from olivepress.run.executors.artifacts import put_artifact, put_files, send
from olivepress.run.executors.cluster import Cluster
from olivepress.run.executors.engine import Follower, run_tasks
from olivepress.run.executors.needs import Announcement, Needs, check_needs
from olivepress.run.executors.plan_needs import check_labels, left_out, needs_of
from olivepress.run.executors.rebuild import describe, input_paths
from olivepress.run.executors.references import Run
from olivepress.run.executors.specs import FileRef, JobSpec, Outcome
from olivepress.run.executors.store import Store
from olivepress.run.failure import ChecksFailed
from olivepress.run.finished import current
from olivepress.run.journal import append, append_start
from olivepress.run.outcome import JobObserver, JobOutcome, Reporter
from olivepress.workflow.estimate import need
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.rendered import Workflow

__all__ = ["ClusterRun", "Prepared", "job_name"]

_CHECKS = TypeAdapter(tuple[Check, ...])


def job_name(plan: Plan, job: Job) -> str:
    """As progress and errors name it."""
    return f"{plan.recipe.name}/{job.id}"


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A plan that may run: its workflows are written, and its jobs are recorded by the observer."""

    plan: Plan
    workflows: Sequence[Workflow]
    observer: JobObserver


@dataclass(kw_only=True)
class ClusterRun:
    """A run of plans on a cluster, in the order that ``check`` and ``run`` are called. ``labels``: job, or recipe/job,
    → what its worker must have. ``kept_as`` names what is kept in the store for the next run; "" the recipes do."""

    cluster: Cluster
    store: Store
    follower: Follower
    labels: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trust_targets: bool = False
    force: bool = False
    keep_going: bool = False
    kept_as: str = ""

    def check(self, plans: Sequence[Plan], only: str | None) -> None:
        """SetupError, before anything is prepared, for the first job that no worker could ever run."""
        check_labels(plans, self.labels)
        if self.keep_going:
            return
        announced = self.announced()
        for plan in plans:
            for job in plan.jobs:
                asked = only in (None, job.id) and not _has_artifact(plan, job)
                if asked and left_out(plan, job, announced) is None:
                    needs = needs_of(plan, job, labels=self.labels, force=self.force)
                    check_needs(job_name(plan, job), needs, announced)

    def announced(self) -> list[Announcement]:
        """What the workers of the moment have; SetupError when those there are were not started by olivepress."""
        seen = self.cluster.workers()
        announced = [worker.announcement for worker in seen if worker.announcement is not None]
        if seen and not announced:
            raise SetupError(
                f"{self.cluster.address}: none of its {len(seen)} workers was started by olivepress",
                next_step="olivepress worker --scheduler ADDRESS, in place of dask worker",
            )
        return announced

    def run(
        self,
        prepared: Sequence[Prepared],
        *,
        reporter: Reporter,
        only: str | None,
    ) -> list[tuple[Plan, JobOutcome]]:
        """Every job that is not finished, in the order of the plans; errors are in the outcomes."""
        run = Run.begin(self.store, [each.plan.recipe.name for each in prepared], kept_as=self.kept_as)
        tasks, announced = list[_PlanTask](), self.announced()
        with contextlib.ExitStack() as locks:
            for each in prepared:
                locks.enter_context(exclusive(recipe_runs(each.plan.recipe.name)))
                base = admit(each.plan, reporter)
                jobs = [job for job in each.plan.jobs if only in (None, job.id)]
                tasks += [self._task(each, job, base, run, announced, alone=only is not None) for job in jobs]
            self.follower.expected({task.name: need(task.plan, task.job).seconds for task in tasks})
            try:
                run_tasks(tasks, self.cluster, self.follower)
            except BaseException:
                if self.kept_as:  # nobody runs it again under its name
                    run.forget()
                raise
            run.end()  # before another run of these recipes may begin: it has the same name in the store
        return [(task.plan, task.outcome) for task in tasks if task.outcome is not None]

    def _task(
        self,
        prepared: Prepared,
        job: Job,
        base: BaseModel,
        run: Run,
        announced: Sequence[Announcement],
        *,
        alone: bool,
    ) -> _PlanTask:
        plan = prepared.plan
        earlier = [other for other in plan.jobs[: plan.jobs.index(job)] if job.choice and other.choice == job.choice]
        return _PlanTask(
            name=job_name(plan, job),
            after=[] if alone else _after(plan, job),
            instead_of=job_name(plan, earlier[-1]) if earlier and not alone else None,
            last_choice=not any(other.choice == job.choice for other in plan.jobs[plan.jobs.index(job) + 1 :]),
            needs=needs_of(plan, job, labels=self.labels, force=self.force),
            plan=plan,
            job=job,
            workflows={workflow.job_id: workflow for workflow in prepared.workflows},
            base=base,
            of=self,
            run=run,
            observer=prepared.observer,
            left_out=None if alone else left_out(plan, job, announced),
        )


def _has_artifact(plan: Plan, job: Job) -> bool:
    """Whether the job, or another one of its choice, has an artifact, of whatever key."""
    same = [other for other in plan.jobs if other is job or (job.choice is not None and other.choice == job.choice)]
    return any((plan.output_dir(other) / MANIFEST).is_file() for other in same)


def _after(plan: Plan, job: Job) -> list[str]:
    from olivepress.run.package import parts_of

    before = [job_name(plan, plan.job(job.parent))] if job.parent else []
    return [*before, *(job_name(member, part) for member, part in parts_of(plan, job))]


@dataclass(kw_only=True)
class _PlanTask:
    """One job of a plan, as ``engine.Task``."""

    name: str
    after: Sequence[str]
    instead_of: str | None
    last_choice: bool
    needs: Needs
    plan: Plan
    job: Job
    workflows: Mapping[str, Workflow]
    base: BaseModel
    of: ClusterRun
    run: Run
    observer: JobObserver
    left_out: SetupError | None
    key: str = ""
    inputs: tuple[FileRef, ...] = ()
    outcome: JobOutcome | None = None

    def begin(self) -> JobSpec | None:
        plan, job = self.plan, self.job
        key, finished = current(plan, job, self.workflows, self.base)
        if key is None:
            raise JobError(
                f"{job.id}: {job.parent or 'an adapter that it is made from'} is not finished, or is of an older "
                "recipe, dataset or package set, or its files were changed",
                next_step="run without --job",
            )
        self.key = key
        if finished is not None:
            self.outcome = JobOutcome(job=job.id, state="kept", manifest=finished)
            return None
        if (before := passed_over(plan, job, key)) is not None:
            self.outcome = before
            raise before.error or JobError(f"{job.id}: failed its checks before")
        if self.left_out is not None:
            self.outcome = JobOutcome(job=job.id, state="left out", error=self.left_out)
            raise self.left_out
        check_needs(self.name, self.needs, self.of.announced())  # it was not looked at before where an artifact is
        workflow = self.workflows[job.id]
        self.inputs = self.run.send(input_paths(plan, job))
        append_start(self._journal, plan, job, key)
        description = describe(plan, job, workflow, self.base, trust=self.of.trust_targets, force=self.of.force)
        fields, topic = description.model_dump(mode="json"), self.of.cluster.topic
        return self.run.spec("job", id=self.name, key=key, topic=topic, inputs=self.inputs, fields=fields)

    def end(self, outcome: Outcome) -> None:
        manifest = put_artifact(self.of.store, outcome, self.plan.output_dir(self.job), self.key)
        self._put_beside(outcome)
        append(
            self._journal,
            "finished",
            self.job.id,
            self.key,
            sha256=manifest.sha256,
            seconds=manifest.resources.seconds,
            machine=outcome.machine,
        )
        self.run.took(self.key, outcome.files)
        self.outcome = JobOutcome(job=self.job.id, state="done", manifest=manifest)
        self._observe("finished", manifest=manifest)

    def fail(self, error: OlivepressError, outcome: Outcome | None) -> str:
        if self.outcome is not None and self.outcome.state in ("passed over", "left out"):  # nothing ran now
            return self.outcome.state
        checks = _checks(outcome)
        if outcome is not None:
            self._put_beside(outcome)
        if checks:
            error = ChecksFailed(error.message, checks=checks, next_step=error.next_step)
        if self.key:
            append(self._journal, "failed", self.job.id, self.key, reason=error.message.split("\n")[0])
            self._observe("failed", reason=error.message)
        state: Any = "failed"
        if isinstance(error, ChecksFailed) and self.job.choice is not None and not self.last_choice:
            pass_over(self.plan, self.job, self.key, error)
            state = "passed over"
        self.outcome = JobOutcome(job=self.job.id, state=state, error=error, failed_checks=checks)
        return str(state)

    def drop(self, state: str, because: str) -> None:
        if state == "not needed":
            self.outcome = JobOutcome(job=self.job.id, state="not needed")
            return
        if self.left_out is not None:
            self.outcome = JobOutcome(job=self.job.id, state="left out", error=self.left_out)
            return
        error = JobError(f"{self.name}: not run, as {because} failed", next_step=f"see the error of {because}")
        self.outcome = JobOutcome(job=self.job.id, state="failed", error=error)

    def stopped(self) -> None:
        with contextlib.suppress(OSError):
            append(self._journal, "interrupted", self.job.id, self.key, reason="")

    def resend(self, sha256: Sequence[str]) -> None:
        send(self.of.store, self.inputs, again=sha256)

    @property
    def _journal(self) -> Path:
        return journal(self.plan.recipe.name)

    def _put_beside(self, outcome: Outcome) -> None:
        places = [job_log(self.plan.recipe.name, self.job.id)]
        if self.job.parent:
            places.append(parent_answers(self.plan.recipe.name, self.job.parent))
        put_files(self.of.store, outcome, places)

    def _observe(self, status: Any, *, manifest: Manifest | None = None, reason: str = "") -> None:
        """The record of the job is written when it has ended, as several run at a time."""
        try:
            self.observer.job_begins(self.plan, self.job, self.workflows[self.job.id], self.key)
            self.observer.job_ends(status, manifest=manifest, reason=reason)
        except Exception as error:
            self.of.follower.lost(f"{self.name}: this run is not recorded completely: {error}")


def _checks(outcome: Outcome | None) -> tuple[Check, ...]:
    """The checks that an artifact failed, as its worker reports them."""
    if outcome is None:
        return ()
    try:
        return _CHECKS.validate_python(outcome.fields.get("checks", ()), strict=False)
    except ValidationError:
        return ()
