"""The parent's side of sending: a thread that lets a process of its own deliver, now and then, and at the end."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType, TracebackType

from olivepress.core.child.run import Call, TaskProcess, task_process
from olivepress.core.errors import OlivepressError
from olivepress.core.layout import run_records
from olivepress.core.messages import one_line
from olivepress.core.privacy import child_environment
from olivepress.track.deliver import Delivered, Delivery, unsent
from olivepress.track.store import Store
from olivepress.track.writer import Warn

__all__ = ["NOT_INSTALLED", "Sender", "print_warning", "send_now"]

_INTERVAL_S = 5.0
_LONGEST_PAUSE_S = 60.0
_REST = 20.0  # times what a delivery took: at most a twentieth of the time goes into sending
_AT_THE_END_S = 20.0  # what the end of a command waits for at most
_TASK = "olivepress.track.deliver:deliver"
NOT_INSTALLED = (
    "tracking: MLflow is not installed, runs are only recorded below runs/; next: pip install 'olivepress[track]'"
)
# MLflow's own patience is many minutes. What the user set stays.
_PATIENCE: Mapping[str, str] = MappingProxyType(
    {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "OLIVEPRESS_TRACKING": "on"}
)
_SETTLE_S = 1.0  # for a process that was killed


def print_warning(text: str) -> None:
    """One line on stderr."""
    print(one_line(text), file=sys.stderr, flush=True)


class Sender:
    """In a ``with`` block, sends records while the work goes on, and the rest at its end; at most one warning.

    ``store`` None, or MLflow not installed: nothing is sent, and nothing starts. The work waits for nothing but the
    end, and for that a limited time: what is not sent by then is sent by a later command.
    """

    def __init__(
        self, store: Store | None, warn: Warn, *, interval_s: float = _INTERVAL_S, at_the_end_s: float = _AT_THE_END_S
    ) -> None:
        self._store, self._warn = store, warn
        self._interval_s, self._at_the_end_s = interval_s, at_the_end_s
        self._ending, self._deadline = threading.Event(), 0.0
        self._thread = threading.Thread(target=self._work, name="tracking", daemon=True)
        self._process: TaskProcess | None = None
        self._processes = ExitStack()
        self._warned = False
        self._before = dict[Path, tuple[int, int]]()

    def __enter__(self) -> Sender:
        self._before = _stamps()  # where nothing is recorded, no process is started, not even for what an old run left
        if self._store is not None and self._store.installed:
            self._thread.start()
        elif self._store is not None and self._store.asked:
            self._warn_once(NOT_INSTALLED)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._thread.is_alive():
            return
        self._deadline = time.monotonic() + self._at_the_end_s
        self._ending.set()
        self._thread.join(self._at_the_end_s)
        if self._thread.is_alive():  # in a request that does not return
            if (process := self._process) is not None:
                process.kill()
            self._thread.join(_SETTLE_S)
        self._warn_of_rest()

    def _work(self) -> None:
        """The thread: its process starts with the first line to send, and ends with it."""
        pause, before = self._interval_s, self._before
        with self._processes:
            while not self._ending.wait(pause):
                now = _stamps()
                if now == before:
                    continue
                began = time.monotonic()
                answer = self._deliver(_LONGEST_PAUSE_S)
                rest = min(_LONGEST_PAUSE_S, _REST * (time.monotonic() - began))
                if answer.problem or answer.left:
                    self._warn_of(answer)
                    pause = min(_LONGEST_PAUSE_S, pause * 2) if answer.problem else self._interval_s
                else:
                    before, pause = now, max(rest, self._interval_s)
            self._last(before)

    def _last(self, before: Mapping[Path, tuple[int, int]]) -> None:
        """What was recorded since; while another process sends, it is waited for."""
        while _stamps() != before and (left := self._deadline - time.monotonic()) > 0:
            answer = self._deliver(left)
            if answer.busy:
                time.sleep(min(0.2, left))
                continue
            self._warn_of(answer)
            return

    def _deliver(self, seconds: float) -> Delivered:
        try:
            if self._process is None:
                self._process = self._processes.enter_context(task_process(_call(None)))
            message, _ = self._process.run(_TASK, Delivery(seconds=seconds).model_dump(), None)
            return Delivered.model_validate(message.result)
        except (OlivepressError, OSError, ValueError) as error:
            self._process = None
            return Delivered(left=1, problem=f"the process that sends ended ({str(error)[:100]})")

    def _warn_of(self, answer: Delivered) -> None:
        for note in answer.notes:
            self._warn(f"tracking: {note}")
        if answer.problem:
            assert self._store is not None
            self._warn_once(_problem_text(self._store, answer.problem))

    def _warn_of_rest(self) -> None:
        assert self._store is not None
        if not self._warned and _stamps() != self._before and (left := unsent(self._store)):
            self._warn_once(f"tracking: {left} records are not sent to {self._store.name} yet; {_LATER}")

    def _warn_once(self, text: str) -> None:
        if not self._warned:
            self._warned = True
            self._warn(text)


_LATER = "the next command sends them, or olivepress runs send"


def _problem_text(store: Store, problem: str) -> str:
    return f"tracking: {store.name}: {problem}; the records stay in runs/, and {_LATER}"


def _call(timeout_s: float | None) -> Call:
    given = {name: value for name, value in _PATIENCE.items() if name not in os.environ}
    environment = child_environment(offline=True, threads=1) | given
    return Call(environment=environment, timeout_s=timeout_s, lowest_priority=True)


def _stamps() -> dict[Path, tuple[int, int]]:
    """Every record with its size and time: where they are the same, nothing is to be sent."""
    stamps = {}
    for path in run_records():
        try:
            state = path.stat()
        except OSError:
            continue
        stamps[path] = state.st_size, state.st_mtime_ns
    return stamps


def send_now(store: Store | None, warn: Warn, *, seconds: float = _AT_THE_END_S, everything: bool = False) -> Delivered:
    """Send what is recorded and wait for it; a warning for what is left. Starts no process where nothing is to send."""
    if store is None:
        return Delivered()
    if not store.installed:
        if store.asked:
            warn(NOT_INSTALLED)
        return Delivered(left=unsent(store, everything=everything))
    if not unsent(store, everything=everything):
        return Delivered()
    answer = _run_once(Delivery(everything=everything, seconds=seconds), seconds)
    for note in answer.notes:
        warn(f"tracking: {note}")
    if answer.problem:
        warn(_problem_text(store, answer.problem))
    elif answer.left:
        warn(f"tracking: {answer.left} records are not sent to {store.name} yet; {_LATER}")
    return answer


def _run_once(delivery: Delivery, seconds: float) -> Delivered:
    try:
        with task_process(_call(seconds + 15)) as process:
            message, _ = process.run(_TASK, delivery.model_dump(), None)
            return Delivered.model_validate(message.result)
    except (OlivepressError, OSError) as error:
        return Delivered(left=1, problem=f"the process that sends ended ({str(error)[:100]})")
