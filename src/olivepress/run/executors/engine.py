"""Runs the tasks of a graph on a cluster, each effect once: what a worker returns counts when it is put in its place
here, and a second delivery finds it there."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pydantic import ValidationError

from olivepress.core.child.messages import ErrorMessage, error_of
from olivepress.core.errors import JobError, OlivepressError
from olivepress.run.executors.cluster import Cluster, Ended, Lost, Seen
from olivepress.run.executors.graph import Graph
from olivepress.run.executors.needs import Announcement, Needs, missing, with_preferred
from olivepress.run.executors.room import has_room
from olivepress.run.executors.specs import MOST_TEXT, JobSpec, Outcome
from olivepress.run.executors.store import Damaged

__all__ = ["Follower", "Task", "run_tasks"]

MOST_TRIES = 3
_UNKNOWN = 4  # jobs that are submitted although no worker of the moment could run them
_LOOK_S, _IDLE_S = 2.0, 0.05


class Task(Protocol):
    """A job as the engine sees it. ``begin`` returns the spec to be submitted, or None when it is finished already (or
    raises, which is its failure); ``end`` puts a done outcome in its place: Damaged when it did not arrive whole.
    ``fail`` and ``drop`` are told of the other ends; ``fail`` returns the word for it."""

    name: str
    after: Sequence[str]
    instead_of: str | None
    needs: Needs

    def begin(self) -> JobSpec | None: ...
    def end(self, outcome: Outcome) -> None: ...
    def fail(self, error: OlivepressError, outcome: Outcome | None) -> str: ...
    def drop(self, state: str, because: str) -> None: ...
    def stopped(self) -> None: ...
    def resend(self, sha256: Sequence[str]) -> None: ...


class Follower(Protocol):
    """Is told what happens, for a person."""

    def expected(self, seconds: Mapping[str, float]) -> None: ...
    def submitted(self, name: str) -> None: ...
    def event(self, message: Mapping[str, Any]) -> None: ...
    def ended(self, name: str, state: str, machine: str, text: str) -> None: ...
    def lost(self, text: str) -> None: ...
    def tick(self) -> None: ...


@dataclass
class _Tries:
    """What was tried of a running task: workers that could not, those that it was left to (all when empty), and since
    when none is there that can."""

    spec: JobSpec
    needs: Needs
    count: int = 0
    without: list[str] = field(default_factory=list)
    only: list[str] = field(default_factory=list)
    last: str = ""
    alone_since: float | None = None


class _Engine:
    def __init__(self, tasks: Sequence[Task], cluster: Cluster, follower: Follower, patience_s: float) -> None:
        self._tasks = {task.name: task for task in tasks}
        instead = {task.name: task.instead_of for task in tasks if task.instead_of is not None}
        self.graph = Graph({task.name: task.after for task in tasks}, instead)
        self._cluster, self._follower, self._patience_s = cluster, follower, patience_s
        self.running = dict[str, _Tries]()
        self._waiting = dict[Any, deque[str]]()  # by what they need; marked as running in the graph
        self._workers: list[Seen] = []
        self._looked = 0.0
        self._changed = True  # whether there may be room that was not there before

    # --- the loop ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        while self.graph.open:
            try:
                self._look()
                busy = self._start()
                for ended in self._cluster.ended():
                    busy = True
                    self._on_end(ended)
            except Lost:
                self._reconnect()
                continue
            for event in self._cluster.events():
                self._follower.event(event)
            self._follower.tick()
            if not busy:
                time.sleep(_IDLE_S)

    def _reconnect(self) -> None:
        self._follower.lost(f"the scheduler at {self._cluster.address} is gone: waiting for it")
        while True:
            self._cluster.reconnect()
            try:
                for name in self.running:
                    self._submit(name)
            except Lost:
                continue
            break
        self._follower.lost(f"connected to {self._cluster.address} again")
        self._looked = 0.0

    # --- workers -----------------------------------------------------------------------------------------------------

    def _announced(self, without: Sequence[str] = ()) -> list[Announcement]:
        return [seen.announcement for seen in self._workers if seen.announcement and seen.address not in without]

    def _look(self) -> None:
        """At the workers, from time to time: a job that waits for what no worker has any more fails after a while."""
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return
        self._looked, self._workers, self._changed = now, self._cluster.workers(), True
        for name, tries in list(self.running.items()):
            if any(not missing(tries.needs, worker) for worker in self._announced(tries.without)):
                tries.alone_since = None
                self._hand_on(name, tries)
                continue
            tries.alone_since = tries.alone_since or now
            if now - tries.alone_since >= self._patience_s:
                self._cluster.drop(name)
                self._give_up(name, tries)

    def _hand_on(self, name: str, tries: _Tries) -> None:
        """Submit a job again that was left to workers which are all gone: Dask would wait for these very addresses."""
        if tries.only and not any(seen.address in tries.only for seen in self._workers):
            self._cluster.drop(name)
            self._submit(name)

    def _give_up(self, name: str, tries: _Tries) -> None:
        reason = f": {tries.last}" if tries.last else ""
        error = JobError(
            f"{name}: no worker is left that can run it{reason}",
            next_step="start a worker that has what it needs, and run the same command again",
        )
        self._fail(name, error, None)

    # --- tasks -------------------------------------------------------------------------------------------------------

    def _start(self) -> bool:
        """Submit what may start and has room: of jobs with the same needs the first that waits."""
        while (name := self.graph.next_ready()) is not None:
            needs = self._tasks[name].needs
            self._waiting.setdefault((tuple(sorted(needs.resources.items())), needs.prefers), deque()).append(name)
            self._changed = True
        if not self._changed:
            return False
        self._changed, started = False, False
        for names in self._waiting.values():
            while names and self._may_start(names[0]):
                self._begin(names.popleft())
                started = True
        return started

    def _may_start(self, name: str) -> bool:
        """Whether a worker is free for it; one that no worker could ever run is submitted, and waited for a while."""
        announced = self._announced()
        needs = with_preferred(self._tasks[name].needs, announced)
        able = [worker for worker in announced if not missing(needs, worker)]
        if not able:
            return len(self.running) < _UNKNOWN
        running = [tries.needs.resources for tries in self.running.values()]
        return has_room([worker.resources for worker in announced], running, needs.resources)

    def _begin(self, name: str) -> None:
        try:
            spec = self._tasks[name].begin()
        except OlivepressError as error:
            self._fail(name, error, None)
            return
        if spec is None:
            self._close(name, "done", "", "")
            return
        needs = with_preferred(self._tasks[name].needs, self._announced())
        gpus = needs.devices.get("cuda", 0)
        self.running[name] = _Tries(spec=spec.model_copy(update={"gpus": gpus}), needs=needs)
        self._submit(name)
        self._follower.submitted(name)

    def _submit(self, name: str) -> None:
        tries = self.running[name]
        tries.only = []
        if tries.without:
            tries.only = [seen.address for seen in self._workers if seen.address not in tries.without]
        self._cluster.submit(name, tries.spec.model_dump_json(), tries.needs.resources, tries.only)

    def _on_end(self, ended: Ended) -> None:
        name, tries = ended.name, self.running.get(ended.name)
        if tries is None:
            return  # delivered twice
        outcome = _outcome_of(ended, tries.spec)
        if outcome is None:
            self._retry(name, ended.error or "the worker's answer cannot be read", ())
        elif outcome.state == "done":
            self._take(name, outcome)
        elif outcome.state == "failed":
            self._fail(name, _error_of(outcome), outcome)
        else:
            self._exclude(tries, outcome)
            self._retry(name, f"{outcome.machine}: {outcome.error or outcome.state}", outcome.damaged)

    def _take(self, name: str, outcome: Outcome) -> None:
        try:
            self._tasks[name].end(outcome)
        except Damaged as error:
            self._retry(name, error.message, ())
        except OlivepressError as error:
            self._fail(name, error, outcome)
        else:
            self._close(name, "done", outcome.machine, "")

    def _exclude(self, tries: _Tries, outcome: Outcome) -> None:
        """The machine that could not is not asked again, unless it is not to blame."""
        if outcome.state == "elsewhere" and not outcome.damaged:
            tries.without += [
                seen.address
                for seen in self._workers
                if seen.announcement is not None and seen.announcement.machine == outcome.machine
            ]

    def _retry(self, name: str, reason: str, damaged: Sequence[str]) -> None:
        tries = self.running[name]
        tries.count, tries.last = tries.count + 1, reason
        if tries.count >= MOST_TRIES or "KilledWorker" in reason:
            times = f"{tries.count} tries" if tries.count > 1 else "its worker died each time"
            self._fail(name, JobError(f"{name}: given up after {times}; the last: {reason}"), None)
            return
        if tries.without and not any(not missing(tries.needs, worker) for worker in self._announced(tries.without)):
            self._give_up(name, tries)
            return
        if damaged:
            self._tasks[name].resend(damaged)
        self._follower.lost(f"{name}: tried again: {reason}")
        self._submit(name)

    # --- ends --------------------------------------------------------------------------------------------------------

    def _fail(self, name: str, error: OlivepressError, outcome: Outcome | None) -> None:
        word = self._tasks[name].fail(error, outcome)
        self._close(name, "failed", outcome.machine if outcome else "", error.message, word)

    def _close(self, name: str, state: Any, machine: str, text: str, word: str = "done") -> None:
        self.running.pop(name, None)
        self._changed = True
        dropped = self.graph.end(name, state)
        self._follower.ended(name, word, machine, text)
        for other in dropped:
            why = self.graph.states[other]
            self._tasks[other].drop(why, self.graph.blamed(other))
            self._follower.ended(other, why, "", "")


def _outcome_of(ended: Ended, spec: JobSpec) -> Outcome | None:
    """What a worker returned; None when it is not an outcome of this very job."""
    if ended.error or len(ended.text) > MOST_TEXT:
        return None
    try:
        outcome = Outcome.model_validate_json(ended.text)
    except ValidationError:
        return None
    return outcome if (outcome.id, outcome.key) == (spec.id, spec.key) else None


def _error_of(outcome: Outcome) -> OlivepressError:
    """The error of a failed job as it was raised on its worker."""
    kind = str(outcome.fields.get("kind", JobError.__name__))
    return error_of(ErrorMessage(error=outcome.error, kind=kind, next_step=outcome.next_step))


def run_tasks(
    tasks: Sequence[Task], cluster: Cluster, follower: Follower, *, patience_s: float = 60.0
) -> Callable[[str], str]:
    """Run all tasks; returns the state of each by its name.

    A task that fails stops only what depends on it. One that no worker can run any more for ``patience_s`` fails. On
    Ctrl-C, and on any error, the jobs are ended on their workers before this returns.
    """
    engine = _Engine(tasks, cluster, follower, patience_s)
    by_name = {task.name: task for task in tasks}
    try:
        engine.run()
    except BaseException:
        for name in engine.running:
            by_name[name].stopped()
        if not cluster.stop():
            follower.lost("not every worker confirmed that it ended its job")
        raise
    return lambda name: engine.graph.states[name]
