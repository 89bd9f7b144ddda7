"""Watches a job's process from its worker: passes its progress on, and ends it when nobody waits for it any more."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["DaskTask", "Watch"]

_POLL_S = 0.25
_MOST_BYTES = 4 * 1024 * 1024  # at a time
_RUNNING = ("executing", "long-running", "resumed")


class DaskTask:
    """The task of Dask that this thread runs: whether it is still wanted, and where its events go."""

    def __init__(self, topic: str, job: str, machine: str) -> None:
        from distributed import get_worker

        self._worker: Any = get_worker()
        self._key = self._worker.get_current_task()
        self._topic, self._facts = topic, {"job": job, "machine": machine}

    def wanted(self) -> bool:
        """False once the submitting side has cancelled it or is gone, or this worker has lost its scheduler."""
        if self._worker.status.name not in ("running", "paused", "init"):
            return False
        task = self._worker.state.tasks.get(self._key)
        return task is not None and task.state in _RUNNING

    def report(self, event: str, /, **facts: Any) -> None:
        """An event for whoever follows the run; it may be lost. No fact takes the place of whose event it is."""
        with contextlib.suppress(Exception):  # the connection is gone, which ``wanted`` notices
            self._worker.log_event(self._topic, {**facts, **self._facts, "event": event})


class Watch:
    """In a ``with`` block around a job's process; ``stopped`` says afterwards whether it was ended from here."""

    def __init__(self, task: DaskTask, messages: Path, stop: Callable[[], None]) -> None:
        self._task, self._messages, self._stop = task, messages, stop
        self._ended = threading.Event()
        self._read = 0
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self.stopped = False

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_S):
            if not self._task.wanted():
                self.stopped = True
                self._stop()
                return
            self._pass_on()
        self._pass_on()

    def _pass_on(self) -> None:
        """What the process has written since the last time: every note and evaluation, of steps the newest."""
        new = [line for line in self._new_lines() if isinstance(line, dict)]
        for line in new:
            if "note" in line:
                self._task.report("progress", note=line["note"])
            elif "evaluation" in line:
                self._task.report("evaluation", evaluation=line["evaluation"])
        steps = [line for line in new if not line.keys() & {"note", "evaluation"}]
        for line in steps[-1:]:
            self._task.report("progress", **line)

    def _new_lines(self) -> Iterator[Any]:
        """The values of the lines that have been finished since the last time."""
        try:
            with self._messages.open("rb") as file:
                file.seek(self._read)
                text = file.read(_MOST_BYTES)
        except OSError:
            return
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            with contextlib.suppress(ValueError):
                yield json.loads(line)
