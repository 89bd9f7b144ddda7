"""Which task may start now, which no longer can: pure, and linear in the number of tasks."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

__all__ = ["Graph", "State"]

State = Literal["waiting", "running", "done", "failed", "skipped", "not needed"]


class Graph:
    """``after``: task → those whose results it reads. ``instead_of``: task → the one that it is tried in place of, when
    that has failed; where that was done, or not needed itself, it is not needed."""

    def __init__(self, after: Mapping[str, Sequence[str]], instead_of: Mapping[str, str] | None = None) -> None:
        self._instead = dict(instead_of or {})
        self._after = {name: tuple(dict.fromkeys(before)) for name, before in after.items()}
        self.states: dict[str, State] = dict.fromkeys(after, "waiting")
        self._followers = defaultdict[str, list[str]](list)
        self._left = dict[str, int]()
        for name, before in self._after.items():
            awaited = [*before, *([self._instead[name]] if name in self._instead else [])]
            self._left[name] = len(awaited)
            for other in awaited:
                self._followers[other].append(name)
        self._ready = deque(name for name, left in self._left.items() if left == 0)
        self._open = len(self.states)

    @property
    def open(self) -> int:
        """Tasks that have not ended."""
        return self._open

    def next_ready(self) -> str | None:
        """A task that may start, which is running from now on; None while there is no such."""
        if not self._ready:
            return None
        name = self._ready.popleft()
        self.states[name] = "running"
        return name

    def again(self, name: str) -> None:
        """A running task is to be started once more."""
        self.states[name] = "waiting"
        self._ready.append(name)

    def end(self, name: str, state: Literal["done", "failed"]) -> list[str]:
        """A running task has ended; returns the tasks that are skipped or not needed because of that."""
        dropped = list[str]()
        self._close(name, state)
        ended = deque([name])
        while ended:
            for follower in self._followers[ended.popleft()]:
                self._left[follower] -= 1
                if self._left[follower] or self.states[follower] != "waiting":
                    continue
                verdict = self._verdict(follower)
                if verdict is None:
                    self._ready.append(follower)
                else:
                    self._close(follower, verdict)
                    dropped.append(follower)
                    ended.append(follower)
        return dropped

    def _close(self, name: str, state: State) -> None:
        self.states[name] = state
        self._open -= 1

    def _verdict(self, name: str) -> State | None:
        """Of a task that waits for nothing more: None when it may start."""
        first = self._instead.get(name)
        if first is not None and self.states[first] in ("done", "not needed"):
            return "not needed"
        before: Iterable[State] = (self.states[other] for other in self._after[name])
        return "skipped" if any(state in ("failed", "skipped") for state in before) else None

    def blamed(self, name: str) -> str:
        """The failed task that a skipped one waits for, itself or through others."""
        while True:
            bad = [other for other in self._after[name] if self.states[other] in ("failed", "skipped")]
            failed = next((other for other in bad if self.states[other] == "failed"), None)
            if failed is not None or not bad:
                return failed or name
            name = bad[0]
