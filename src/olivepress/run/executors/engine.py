"""Runs the tasks of a graph on a cluster, each effect once: what a worker returns counts when it is put in its place
here, and a second delivery finds it there."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from olivepress.core.errors import JobError, OlivepressError, SetupError
from olivepress.run.executors.cluster import Cluster, Ended, Lost, Seen
from olivepress.run.executors.graph import Graph
from olivepress.run.executors.needs import Announcement, Needs, any_can, with_preferred
from olivepress.run.executors.room import has_room
from olivepress.run.executors.specs import JobSpec, Outcome
from olivepress.run.executors.store import Damaged
from olivepress.run.executors.tries import Tries, failure, outcome_of

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


class _Engine:
    def __init__(self, tasks: Sequence[Task], cluster: Cluster, follower: Follower, patience_s: float) -> None:
        self._tasks = {task.name: task for task in tasks}
        instead = {task.name: task.instead_of for task in tasks if task.instead_of is not None}
        self.graph = Graph({task.name: task.after for task in tasks}, instead)
        self._cluster, self._follower, self._patience_s = cluster, follower, patience_s
        self.running = dict[str, Tries]()
        self._waiting = dict[Any, deque[str]]()  # by what they need; marked as running in the graph
        self._workers: list[Seen] = []
        self._known = dict[str, Announcement]()  # every machine that was seen
        self._away = dict[str, float]()  # jobs of which every worker has gone, and since when
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

    def _announced(self) -> list[Announcement]:
        return [seen.announcement for seen in self._workers if seen.announcement]

    def _see(self) -> None:
        self._workers = self._cluster.workers()
        self._known |= {worker.machine: worker for worker in self._announced()}

    def _look(self) -> None:
        """At the workers, from time to time: a job that waits for what no worker has any more is left to others after
        a while, or fails."""
        now = time.monotonic()
        if now - self._looked < _LOOK_S:
            return
        self._see()
        self._looked, self._changed = now, True
        for name, tries in list(self.running.items()):
            if any_can(tries.needs, tries.left(self._workers)):
                tries.alone_since = None
                if tries.is_stranded(self._workers):
                    self._cluster.drop(name)
                    self._submit(name)
                continue
            tries.alone_since = tries.alone_since or now
            if now - tries.alone_since >= self._patience_s:
                self._cluster.drop(name)
                self._go_on(name, tries)

    def _go_on(self, name: str, tries: Tries) -> None:
        """Submit it to the workers that are left, if need be without the device that it is better off with."""
        if tries.fit(self._workers):
            tries.alone_since = None
            self._submit(name)
        else:
            self._give_up(name, tries)

    def _is_away(self, name: str) -> bool:
        """Whether the workers that could run it have only just gone: one that was killed is started again."""
        self._see()
        needs, now = self._tasks[name].needs, time.monotonic()
        if any_can(needs, self._announced()) or not any_can(needs, self._known.values()):
            return False
        return now - self._away.setdefault(name, now) < self._patience_s

    def _give_up(self, name: str, tries: Tries) -> None:
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
            while names and self._may_start(names[0]) and self._begin(names):
                started = True
        return started

    def _may_start(self, name: str) -> bool:
        """Whether a worker is free for it; one that no worker could ever run is submitted, and waited for a while."""
        announced = self._announced()
        needs = with_preferred(self._tasks[name].needs, announced)
        if not any_can(needs, announced):
            return len(self.running) < _UNKNOWN
        running = [tries.needs.resources for tries in self.running.values()]
        return has_room([worker.resources for worker in announced], running, needs.resources)

    def _begin(self, names: deque[str]) -> bool:
        """Start the first of them; False when it stays there, as it does when the scheduler is lost meanwhile."""
        name = names[0]
        try:
            spec = self._tasks[name].begin()
        except OlivepressError as error:
            if isinstance(error, SetupError) and self._is_away(name):
                return False
            names.popleft()
            self._fail(name, error, None)
            return True
        names.popleft()
        if spec is None:
            self._close(name, "done", "", "")
            return True
        self.running[name] = tries = Tries(spec=spec, asked=self._tasks[name].needs)
        tries.fit(self._workers)
        self._submit(name)
        self._follower.submitted(name)
        return True

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
        outcome = outcome_of(ended, tries.spec)
        if outcome is None:
            self._retry(name, ended.error or "the worker's answer cannot be read", ())
        elif outcome.state == "done":
            self._take(name, outcome)
        elif outcome.state == "failed":
            self._fail(name, failure(outcome), outcome)
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

    def _exclude(self, tries: Tries, outcome: Outcome) -> None:
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
        try:
            if damaged:
                self._tasks[name].resend(damaged)
        except OlivepressError as error:
            self._fail(name, error, None)
            return
        if tries.without and not any_can(tries.needs, tries.left(self._workers)):
            self._go_on(name, tries)
        else:
            self._submit(name)
        if name in self.running:
            self._follower.lost(f"{name}: tried again: {reason}")

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
