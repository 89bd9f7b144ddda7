"""Records the jobs of a run: what ``run`` calls when a job really starts, and when it has ended."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from olivepress.core.artifact import Manifest
from olivepress.run.cleanup import training_record
from olivepress.track.curves import CurveFollower
from olivepress.track.deliver import RECIPE
from olivepress.track.facts import flat_keys, git_state, job_facts, job_params, manifest_metrics
from olivepress.track.record import Ended, Facts, Resumed, Status, read_lines
from olivepress.track.sender import Sender
from olivepress.track.store import Store
from olivepress.track.writer import RunWriter, Warn, begin_run, close_abandoned, last_run, open_run

if TYPE_CHECKING:
    from olivepress.workflow.plan import Job, Plan
    from olivepress.workflow.rendered import Workflow

__all__ = ["JobTracker", "recipe_record"]

_FOLLOW_S = 2.0


class JobTracker:
    """In a ``with`` block around a run: one record for each job that starts, sent while the jobs run."""

    def __init__(self, store: Store | None, warn: Warn) -> None:
        self._store, self._warn = store, warn
        self._sender = Sender(store, warn)
        self._current: _Tracked | None = None
        self._recipes = dict[str, RunWriter]()
        self._failed = set[str]()  # recipes with a failed job, which the run may survive

    def __enter__(self) -> JobTracker:
        self._sender.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        status: Status = "finished"
        if kind is not None:
            status = "interrupted" if issubclass(kind, KeyboardInterrupt) else "failed"
        for name, writer in self._recipes.items():
            ended: Status = "failed" if status == "finished" and name in self._failed else status
            writer.append(Ended(at=writer.now(), status=ended))
        self._sender.__exit__(kind, error, trace)

    def job_begins(self, plan: Plan, job: Job, workflow: Workflow, key: str) -> None:
        """A job starts: a new record, or that of the same fine-tune which was interrupted or killed."""
        store = None if self._store is None else self._store.name
        self._begin_recipe(plan, store)
        resumed = _to_resume(plan.recipe.name, job, key)
        close_abandoned(plan.recipe.name, self._warn, but=resumed)
        if resumed is not None and (writer := open_run(resumed, self._warn)) is not None:
            writer.append(Resumed(at=writer.now()))
        else:
            new = begin_run(
                plan.recipe.name,
                job.id,
                kind=job.kind,
                store=store,
                warn=self._warn,
                key=key,
                params=job_params(plan, job),
                settings=plan.recipe.model_dump(mode="json"),
                facts=job_facts(plan, job, workflow),
            )
            if new is None:
                return
            writer = new
        self._current = _Tracked(writer, training_record(workflow) if workflow.training_dir else None)

    def _begin_recipe(self, plan: Plan, store: str | None) -> None:
        """The parent of the runs: begun once, and resumed by each later command that runs a job of it."""
        name = plan.recipe.name
        if name in self._recipes:
            return
        again = last_run(name, RECIPE) is not None
        writer = recipe_record(plan, store, self._warn)
        if writer is not None:
            self._recipes[name] = writer
            if again:
                writer.append(Resumed(at=writer.now()))

    def job_ends(self, status: Status, *, manifest: Manifest | None = None, reason: str = "") -> None:
        """The job that began last has ended."""
        current, self._current = self._current, None
        if current is None:
            return
        current.stop()
        if status == "failed":
            self._failed.add(current.writer.started.recipe)
        ended = Ended(at=current.writer.now(), status=status, reason=reason)
        if manifest is not None:
            ended = ended.model_copy(
                update={
                    "sha256": manifest.sha256,
                    "metrics": manifest_metrics(manifest),
                    "versions": manifest.versions,
                    "files": {name: file.sha256 for name, file in manifest.files.items()},
                }
            )
        current.writer.append(ended)


class _Tracked:
    """The job that runs: its record, and a thread that copies its curves."""

    def __init__(self, writer: RunWriter, curves: Path | None) -> None:
        self.writer = writer
        self._follower = CurveFollower(curves, writer) if curves else None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="curves", daemon=True)
        if self._follower is not None:
            self._thread.start()

    def _follow(self) -> None:
        assert self._follower is not None
        while not self._ended.wait(_FOLLOW_S):
            self._follower.read()

    def stop(self) -> None:
        self._ended.set()
        if self._follower is not None:
            self._thread.join()
            self._follower.read()


def _to_resume(recipe: str, job: Job, key: str) -> Path | None:
    """The record of the fine-tune of the same key that did not end by itself."""
    path = last_run(recipe, job.id) if job.kind == "finetune" else None
    read = read_lines(path) if path else None
    if read is None or read[0].key != key:
        return None
    ends = [line for line in read[1] if isinstance(line, Ended | Resumed)]
    last = ends[-1] if ends else None
    stopped = not isinstance(last, Ended) or last.status in ("interrupted", "killed")
    return path if stopped else None


def recipe_record(plan: Plan, store: str | None, warn: Warn) -> RunWriter | None:
    """The record of the recipe itself, the parent of its runs: one for each recipe, begun once."""
    name = plan.recipe.name
    if (path := last_run(name, RECIPE)) is not None and (writer := open_run(path, warn)) is not None:
        return writer
    commit, dirty = git_state()
    facts = Facts(
        git_commit=commit,
        git_dirty=dirty,
        random_weights=plan.model.random_weights,
        synthetic_data=plan.dataset.synthetic,
    )
    params = flat_keys({"name": name, "description": plan.recipe.description})
    return begin_run(name, RECIPE, kind=RECIPE, store=store, warn=warn, params=params, facts=facts)
