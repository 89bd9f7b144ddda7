"""Progress of jobs on several machines: a row for each on a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.progress import Progress, SpinnerColumn, TaskID, TextColumn

from olivepress.cli.console import HEARTBEAT_S
from olivepress.core.messages import one_line
from olivepress.core.pace import Clock, duration
from olivepress.core.printable import printable

if TYPE_CHECKING:
    from olivepress.cli.console import ConsoleReporter

__all__ = ["ClusterProgress"]

_REFRESH_S = 0.5
_MOST_TEXT = 300


@dataclass
class _Row:
    """A job that was submitted; ``machine`` is "" until a worker has begun it."""

    estimate: float
    began: float
    machine: str = ""
    note: str = ""
    task: TaskID | None = None


class ClusterProgress:
    """Implements ``engine.Follower``, in a ``with`` block."""

    def __init__(self, reporter: ConsoleReporter, clock: Clock = time.monotonic) -> None:
        self._reporter, self._clock = reporter, clock
        self._estimates: Mapping[str, float] = {}
        self._rows = dict[str, _Row]()
        self._shown = clock()
        texts = (TextColumn(field, markup=False) for field in ("{task.description}", "{task.fields[note]}"))
        self._progress = Progress(SpinnerColumn(), *texts, console=reporter.console, transient=True)

    def __enter__(self) -> ClusterProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._reporter.live:
            self._progress.stop()

    def expected(self, seconds: Mapping[str, float]) -> None:
        """By the name of a job; on the submitting machine."""
        self._estimates = seconds
        self._reporter.end_task()
        if self._reporter.live:
            self._reporter.progress.stop()
            self._progress.start()

    def submitted(self, name: str) -> None:
        self._rows[name] = _Row(estimate=self._estimates.get(name, 0.0), began=self._clock())

    def event(self, message: Mapping[str, Any]) -> None:
        """Of a worker: what it says is shown, and nothing depends on it."""
        row = self._rows.get(str(message.get("job")))
        if row is None:
            return
        if message.get("event") == "started":
            self._begin(str(message.get("job")), row, _text(message.get("machine")))
        elif message.get("note"):
            self._reporter.say(f"{message.get('job')}: note: {_text(message.get('note'))}")
        elif message.get("event") == "progress":
            row.note = _step(message)

    def _begin(self, name: str, row: _Row, machine: str) -> None:
        before, row.machine, row.began, row.note = row.machine, machine, self._clock(), ""
        about = f", about {duration(row.estimate)}" if row.estimate > 0 else ""
        if before:
            self._reporter.say(f"{name}: started again on {machine}{about}; {before} did not finish it")
        elif not self._reporter.live:
            self._reporter.say(f"{name}: started on {machine}{about}")
        if self._reporter.live and row.task is None:
            row.task = self._progress.add_task(name, total=None, note="")

    def ended(self, name: str, state: str, machine: str, text: str) -> None:
        row = self._rows.pop(name, None)
        if row is not None and row.task is not None:
            self._progress.remove_task(row.task)
        where = f" on {_text(machine)}" if machine else ""
        took = f" ({duration(self._clock() - row.began)})" if row is not None and machine else ""
        reason = f": {one_line(text)}" if text else ""
        self._reporter.say(f"{name}: {state}{where}{took}{reason}")

    def lost(self, text: str) -> None:
        self._reporter.say(_text(text))

    def tick(self) -> None:
        """Called many times a second."""
        now = self._clock()
        if self._reporter.live and now - self._shown >= _REFRESH_S:
            self._shown = now
            for row in self._rows.values():
                if row.task is not None:
                    self._progress.update(row.task, note=self._line(row))
        elif not self._reporter.live and now - max(self._shown, self._reporter.printed) >= HEARTBEAT_S:
            self._shown = now
            for name, row in self._rows.items():
                self._reporter.say(f"{name}: {self._line(row)}" if row.machine else f"{name}: waits for a free worker")

    def _line(self, row: _Row) -> str:
        """Machine, stage, elapsed, estimate."""
        times = f"{duration(self._clock() - row.began)} so far"
        if row.estimate > 0:
            times += f" of about {duration(row.estimate)}"
        return ", ".join(part for part in (row.machine, row.note, times) if part)


def _step(message: Mapping[str, Any]) -> str:
    done, total, loss = message.get("done"), message.get("total"), message.get("loss")
    parts = [_text(message.get("stage") or "")]
    if isinstance(done, int) and isinstance(total, int) and total > 0:
        parts.append(f"{done} of {total}")
    if isinstance(loss, float):
        parts.append(f"loss {loss:.3g}")
    return ", ".join(part for part in parts if part)


def _text(value: object) -> str:
    """Foreign text, for a terminal."""
    return printable(str(value))[:_MOST_TEXT]
