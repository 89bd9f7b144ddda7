"""A trial whose jobs run on the workers of a cluster: its evaluations come back while it is trained, so that it is
judged and pruned as one that is trained here."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from olivepress.core.child.messages import ProgressMessage
from olivepress.core.jsonl import append_json_line
from olivepress.core.layout import training_dir
from olivepress.core.printable import printable
from olivepress.workflow.plan import Plan

if TYPE_CHECKING:
    from olivepress.pipeline.search.reporter import SearchReporter
    from olivepress.run import Reporter
    from olivepress.run.executors.plan_jobs import ClusterRun

__all__ = ["TrialFollower", "cluster_of_trial"]

_FROM_WORKER = "finetune-elsewhere"  # the record of steps that a worker writes; the whole one comes with the artifact


def cluster_of_trial(
    cluster: ClusterRun, plan: Plan, searched: str, progress: SearchReporter, reporter: Reporter
) -> Any:
    """The cluster as one trial uses it: what it needed is kept in the store for the next trial of what is ``searched``,
    and not for itself; what the jobs of that recipe were asked to run on counts for those of the trial."""
    from olivepress.run.executors.plan_needs import asked_for

    labels = {job.id: asked for job in plan.jobs if (asked := asked_for(searched, job, cluster.labels))}
    return replace(
        cluster, labels=labels, follower=TrialFollower(plan, progress, reporter), kept_as=f"{searched}.search"
    )


class TrialFollower:
    """Implements ``engine.Follower`` for one trial. ``event`` raises what ``reporter`` raises: a trial that is behind
    ends there, and its job on the worker with it."""

    def __init__(self, plan: Plan, progress: SearchReporter, reporter: Reporter) -> None:
        self._jobs = {f"{plan.recipe.name}/{job.id}": job for job in plan.jobs}
        self._record = Path(f"{training_dir(plan.recipe.name, _FROM_WORKER)}.jsonl")
        self._progress, self._reporter = progress, reporter

    def expected(self, seconds: Mapping[str, float]) -> None: ...

    def submitted(self, name: str) -> None:
        self._progress.update(f"{name}: waits for a worker", 0, 0)

    def event(self, message: Mapping[str, Any]) -> None:
        job = self._jobs.get(str(message.get("job")))
        if job is None:  # of an earlier trial
            return
        if message.get("event") == "started":
            self._record.unlink(missing_ok=True)  # a second try writes its steps again
            self._progress.update(f"{job.id} on {printable(str(message.get('machine')))[:100]}", 0, 0)
            return
        line = message.get("evaluation") if message.get("event") == "evaluation" else message
        if isinstance(line, Mapping) and isinstance(line.get("total"), int):
            if line is not message:
                append_json_line(self._record, dict(line), sync=False)
            with contextlib.suppress(ValidationError):  # what a worker says is foreign
                step = ProgressMessage.model_validate(dict(line))
                self._reporter.job_progress(job, step)

    def ended(self, name: str, state: str, machine: str, text: str) -> None: ...

    def lost(self, text: str) -> None:
        self._progress.update(printable(text)[:300], 0, 0)

    def tick(self) -> None: ...
