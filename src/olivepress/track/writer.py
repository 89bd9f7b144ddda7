"""Writes the record of a run. A disk that does not take it is a warning and never the end of a job."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from olivepress.core.jsonl import append_json_line
from olivepress.core.layout import run_record, run_records
from olivepress.track.record import Ended, Facts, Line, Points, Started, read_lines

__all__ = ["RunWriter", "Warn", "begin_run", "close_abandoned", "last_run", "now_ms", "open_run", "recorded_steps"]

Warn = Callable[[str], None]
_MOST_NUMBERS = 100_000


def now_ms() -> int:
    return max(0, time.time_ns() // 1_000_000)


class RunWriter:
    """Appends lines to one record. What the disk refuses is kept in memory and tried again with the next line."""

    def __init__(self, path: Path, started: Started, warn: Warn) -> None:
        self.path, self.started = path, started
        self._warn, self._waiting = warn, list[Line]()
        self._lock = threading.Lock()
        self._warned = self._last_ms = 0

    def now(self) -> int:
        """Milliseconds since 1970, never before the last ones: a clock that is set back makes no run end too early."""
        self._last_ms = max(self._last_ms, now_ms(), self.started.at)
        return self._last_ms

    def append(self, line: Line) -> None:
        """Add a line, after those that could not be written before."""
        with self._lock:
            self._waiting.append(line)
            try:
                while self._waiting:
                    self._write(self._waiting[0])
                    self._waiting.pop(0)
            except OSError as error:
                self._warn_once(f"{self.path}: cannot be written ({error.strerror or error})")

    def _write(self, line: Line) -> None:
        if not self.path.exists():  # removed by somebody: a record without a beginning says nothing
            self._waiting = [line]
            self._warn_once(f"{self.path}: was removed while the job runs; this run is not recorded")
            return
        append_json_line(self.path, line.model_dump(mode="json"), sync=not isinstance(line, Points))

    def _warn_once(self, text: str) -> None:
        if not self._warned:
            self._warned = 1
            self._warn(f"tracking: {text}; the job goes on")


def begin_run(
    recipe: str,
    job: str,
    *,
    kind: str,
    store: str | None,
    warn: Warn,
    key: str | None = None,
    params: dict[str, str] | None = None,
    settings: dict[str, Any] | None = None,
    facts: Facts | None = None,
) -> RunWriter | None:
    """A new record, with its first line; None, and a warning, where it cannot be written."""
    try:
        path, number = _new_file(recipe, job)
        started = Started(
            at=now_ms(),
            id=uuid.uuid4().hex,
            recipe=recipe,
            job=job,
            number=number,
            kind=kind,
            key=key,
            store=store,
            params=params or {},
            settings=settings or {},
            facts=facts or Facts(),
        )
        append_json_line(path, started.model_dump(mode="json"))
    except OSError as error:
        warn(f"tracking: this run of {job} is not recorded ({error.strerror or error}); the job goes on")
        return None
    return RunWriter(path, started, warn)


def _new_file(recipe: str, job: str) -> tuple[Path, int]:
    """An empty file with the next number: numbers order runs, as a clock may be set back."""
    number = max((number_of(path) for path in run_records(recipe, job)), default=0)
    while number < _MOST_NUMBERS:
        number += 1
        path = run_record(recipe, job, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644))
        except FileExistsError:
            continue
        return path, number
    raise OSError(f"{number:,} records of {job}")


def number_of(path: Path) -> int:
    """The number in a record's name; 0 for another file."""
    text = path.stem.rpartition(".")[2]
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0


def last_run(recipe: str, job: str) -> Path | None:
    """The record with the highest number."""
    return max((path for path in run_records(recipe, job) if number_of(path)), key=number_of, default=None)


def open_run(path: Path, warn: Warn) -> RunWriter | None:
    """A record to append to; None for a file that is none."""
    read = read_lines(path)
    return None if read is None else RunWriter(path, read[0], warn)


def recorded_steps(path: Path) -> dict[str, int]:
    """Curve → its last step."""
    read, steps = read_lines(path), dict[str, int]()
    for line in read[1] if read else []:
        if isinstance(line, Points):
            for point in line.points:
                steps |= dict.fromkeys(point.values, point.step)
    return steps


def close_abandoned(recipe: str, warn: Warn, *, but: Path | None = None) -> None:
    """End the records of a recipe whose process was killed. Only for the process that has the recipe's lock."""
    for path in run_records(recipe):
        if path == but or (read := read_lines(path)) is None or read[0].kind in ("recipe", "reports"):
            continue
        if not _is_ended(read[1]):
            writer = RunWriter(path, read[0], warn)
            writer.append(Ended(at=writer.now(), status="killed"))


def _is_ended(lines: list[Line | None]) -> bool:
    for line in reversed(lines):
        if isinstance(line, Ended):
            return True
        if line is not None and line.type == "resume":
            return False
    return False
