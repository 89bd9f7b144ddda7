"""Bench on the workers' own devices: each export is packed as for any device elsewhere, measured there alone on its
machine, and its report imported here with the checks that any report gets."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.bundle.device import bench_bundle
from olivepress.bundle.pack import bundle_plan
from olivepress.bundle.receive import import_report
from olivepress.core.errors import JobError, OlivepressError, ReportError, SetupError, UsageError
from olivepress.core.progress import JobProgress, Progress
from olivepress.measure.latency.latency import Workload
from olivepress.pipeline.bench import Overrides
from olivepress.run.executors.artifacts import receive, send
from olivepress.run.executors.engine import run_tasks
from olivepress.run.executors.job_process import Ended, Messages, ProcessSpec
from olivepress.run.executors.needs import Announcement, Needs, missing
from olivepress.run.executors.plan_jobs import ClusterRun
from olivepress.run.executors.plan_needs import asked_for, check_labels, device_names
from olivepress.run.executors.references import Run
from olivepress.run.executors.specs import FileRef, JobSpec, Outcome
from olivepress.workflow.plan import Job, Plan

__all__ = ["BENCH_TASK", "bench_on_cluster", "bench_task", "places_of"]

BENCH_TASK = "olivepress.bundle.on_cluster:bench_task"
_REPORT = "carried.report.zip"
_HERE_ONLY = ("text", "lm_eval", "lm_eval_tasks")  # files and packages of one machine


def bench_task(spec: ProcessSpec, progress: Progress) -> Ended:
    """In its own process on a worker: measure the bundle of the spec; the report is what comes back."""
    os.chdir(spec.folder)
    messages = Messages()
    try:
        bench_bundle(
            Path(spec.fields["bundle"]),
            data=None,
            out=Path(_REPORT),
            overrides=overrides_of(spec.fields["overrides"]),
            on_progress=lambda job, stage, done, total: messages.step(stage, done, total),
        )
    except SetupError as error:
        return Ended(state="elsewhere", error=error.message, next_step=error.next_step)
    except OlivepressError as error:
        return Ended(state="failed", error=error.message, next_step=error.next_step)
    return Ended(state="done", outputs=(_REPORT,))


def overrides_of(fields: Mapping[str, Any]) -> Overrides:
    """From JSON, as ``_fields`` writes them."""
    workloads = fields["workloads"]
    pairs = None if workloads is None else tuple(Workload(**each) for each in workloads)
    return Overrides(**{**fields, "workloads": pairs})


def _fields(overrides: Overrides) -> dict[str, Any]:
    """What a worker may be asked for. UsageError for settings that name what only this machine has."""
    for name in _HERE_ONLY:
        if getattr(overrides, name) is not None:
            raise UsageError(f"--{name.replace('_', '-')} is for a bench on this machine", next_step="leave it out")
    chosen = {name: getattr(overrides, name) for name in ("rounds", "repetitions", "limit", "allow_fallback")}
    workloads = None if overrides.workloads is None else [each.model_dump(mode="json") for each in overrides.workloads]
    return {**chosen, "workloads": workloads}


def places_of(
    plan: Plan, job: Job, workers: Sequence[Announcement], labels: Sequence[str]
) -> list[tuple[Announcement, Needs]]:
    """The workers that measure an export, one of each kind of machine: they have its environment, its device and the
    ``labels`` that a person asked for. Each is needed as a whole."""
    assert job.target is not None
    device: dict[str, int] = {} if job.target.device == "cpu" else {job.target.file: 1}
    device |= {name: 1 for name in labels if name in device_names()}
    places = dict[str, tuple[Announcement, Needs]]()
    for worker in workers:
        needs = Needs(
            environments=(job.target.environment,),
            devices=device,
            labels=tuple(dict.fromkeys((worker.machine, *(name for name in labels if name not in device_names())))),
            slots=worker.slots,
        )
        if not missing(needs, worker):
            places.setdefault(worker.kind or worker.machine, (worker, needs))
    return list(places.values())


def bench_on_cluster(
    plan: Plan,
    cluster: ClusterRun,
    *,
    only: str | None,
    overrides: Overrides,
    on_progress: JobProgress = lambda *_: None,
) -> list[Path]:
    """Measure the finished exports of a recipe (or ``only`` one) on each kind of machine that can; returns the reports.

    Raises SetupError for an export that no worker can measure, before anything is packed; JobError when a measurement
    failed, after the others are stored.
    """
    if only is not None and plan.job(only).kind != "export":
        raise UsageError(f"{only}: not an export", next_step="leave out --job, or name an export")
    check_labels([plan], cluster.labels)
    fields, announced = _fields(overrides), cluster.announced()
    wanted = [job for job in plan.jobs if job.kind == "export" and only in (None, job.id)]
    places = {
        job.id: places_of(plan, job, announced, asked_for(plan.recipe.name, job, cluster.labels)) for job in wanted
    }
    for job in wanted:
        if not places[job.id] and (only is not None or asked_for(plan.recipe.name, job, cluster.labels)):
            raise SetupError(
                f"{job.id}: no worker can measure it: none has environment {_of(job)} and its device, or the label",
                next_step="start a worker on its device, with olivepress env create first",
            )
    able = [job.id for job in wanted if places[job.id]]
    if not able:
        raise SetupError("no worker can measure an export of this recipe", next_step="olivepress worker on a device")
    _check_machines([worker for each in places.values() for worker, _ in each])
    run = Run.begin(cluster.store, [plan.recipe.name, "bench"])
    packed = bundle_plan(plan, only=(only,) if only else (), on_progress=on_progress)
    tasks = [
        _BenchTask(
            name=f"{plan.recipe.name}/{bundle.job} on {worker.machine}",
            needs=needs,
            bundle=bundle.path,
            sha256=bundle.sha256,
            fields=fields,
            of=cluster,
            run=run,
        )
        for bundle in packed
        if bundle.job in able
        for worker, needs in places[bundle.job]
    ]
    cluster.follower.expected({})
    run_tasks(tasks, cluster.cluster, cluster.follower)
    run.end()
    _raise_failed(tasks)
    return [task.report for task in tasks if task.report is not None]


def _check_machines(workers: Sequence[Announcement]) -> None:
    """SetupError for machines of two kinds with one name, by which a measurement finds its machine."""
    kinds = dict[str, str]()
    for worker in workers:
        if kinds.setdefault(worker.machine, worker.kind) != worker.kind:
            raise SetupError(
                f"two machines are called {worker.machine}, of the kinds {kinds[worker.machine]} and {worker.kind}",
                next_step="start each worker with a --name of its own",
            )


def _of(job: Job) -> str:
    return job.target.environment if job.target else ""


def _raise_failed(tasks: Sequence[_BenchTask]) -> None:
    failed = [task for task in tasks if task.error is not None]
    if not failed:
        return
    first = failed[0].error
    assert first is not None
    names = ", ".join(task.name for task in failed)
    message = f"{len(failed)} of {len(tasks)} measurements failed ({names}), first: {first.message}"
    raise JobError(message, next_step=first.next_step)


@dataclass(kw_only=True)
class _BenchTask:
    """One export on one machine, as ``engine.Task``. Measured again with each run: its key is of this run."""

    name: str
    needs: Needs
    bundle: Path
    sha256: str
    fields: Mapping[str, Any]
    of: ClusterRun
    run: Run
    after: Sequence[str] = ()
    instead_of: str | None = None
    inputs: tuple[FileRef, ...] = ()
    report: Path | None = None
    error: OlivepressError | None = None

    @property
    def key(self) -> str:
        parts = [self.name, self.sha256, self.of.cluster.topic, json.dumps(self.fields, sort_keys=True)]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    def begin(self) -> JobSpec | None:
        self.inputs = self.run.send([self.bundle])
        fields, topic = {"bundle": self.bundle.as_posix(), "overrides": dict(self.fields)}, self.of.cluster.topic
        return self.run.spec("bench", id=self.name, key=self.key, topic=topic, inputs=self.inputs, fields=fields)

    def end(self, outcome: Outcome) -> None:
        if len(outcome.files) != 1:
            raise ReportError(f"{self.name}: {outcome.machine} sent {len(outcome.files)} files, expected a report")
        with tempfile.TemporaryDirectory(prefix="olivepress-") as scratch:
            carried = Path(scratch, _REPORT)
            receive(self.of.store, outcome.files[0], carried)
            self.report = import_report(carried).path
        self.run.took(self.key, ())

    def fail(self, error: OlivepressError, outcome: Outcome | None) -> str:
        self.error = error
        return "failed"

    def drop(self, state: str, because: str) -> None: ...

    def stopped(self) -> None: ...

    def resend(self, sha256: Sequence[str]) -> None:
        send(self.of.store, self.inputs, again=sha256)
