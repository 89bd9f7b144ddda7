"""A bench session on disk: results of finished child processes survive an interruption and are not measured again.

All models of one session share a folder, which is removed in one step once the last report is written. As long as a
report is missing, the results of the others are kept, and rounds of two sessions are never mixed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.child.run import Call, ChildDied, TaskProcess, task_process
from olivepress.core.errors import JobError
from olivepress.core.files import write_text
from olivepress.core.process import exclusive
from olivepress.core.progress import Progress
from olivepress.measure.worker.host import run_child

__all__ = ["BenchSession", "code_sha256", "open_sessions"]

_MEASURING = ("measure", "report", "runtimes", "stats")  # the packages whose code defines what a metric is


@dataclass(kw_only=True)
class BenchSession:
    """The part of a session that belongs to one model: one JSON file in ``folder`` per finished child process.

    A file's name is a hash of the task, its spec and ``identity`` (model, dataset, package versions, code, machine).
    ``interpreter`` is the Python that runs the child processes, None for the current one. ``session_id`` is shared by
    all models of one session and by no other session. ``seconds`` and ``peak_memory_bytes`` accumulate over the child
    processes, those of interrupted attempts included; ``resumed`` tells whether there were any.
    """

    folder: Path
    identity: str
    interpreter: Path | None = None
    session_id: str = ""
    seconds: float = 0.0
    peak_memory_bytes: int = 0
    resumed: bool = False
    _shared: contextlib.ExitStack | None = None
    _process: TaskProcess | None = None

    @contextlib.contextmanager
    def one_process(self) -> Iterator[None]:
        """Children of the block run in one process, in which a model is loaded once; after a crash in another one."""
        with contextlib.ExitStack() as self._shared:
            try:
                yield
            finally:
                self._shared = self._process = None

    def run(
        self, task: str, spec: Mapping[str, Any], *, progress: Progress | None = None, timeout_s: float | None = None
    ) -> dict[str, Any]:
        """The result of a child process, read from disk when an earlier attempt finished it. Failures are not stored.

        The child may store partial results in files whose names begin with ``spec["partial"]``. Raises what
        ``run_child`` raises.
        """
        name = f"{task}-{self._key(task, spec)}"
        path = self.folder / f"{name}.json"
        result = _read(path)
        if result is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            start = time.monotonic()
            full = {**spec, "partial": str(self.folder / name)}
            options: dict[str, Any] = {"interpreter": self.interpreter, "progress": progress, "timeout_s": timeout_s}
            try:
                result = run_child(task, full, **options, process=self._shared_process())
            except ChildDied:
                self._process = None
                raise
            result["seconds"] = round(time.monotonic() - start, 3)
            write_text(path, json.dumps(result))
        else:
            self.resumed = True
        self.seconds += float(result["seconds"])
        self.peak_memory_bytes = max(self.peak_memory_bytes, int(result["peak_rss_bytes"]))
        return result

    def _shared_process(self) -> TaskProcess | None:
        if self._shared is not None and self._process is None:
            self._process = self._shared.enter_context(task_process(Call(interpreter=self.interpreter)))
        return self._process

    def _key(self, task: str, spec: Mapping[str, Any]) -> str:
        text = json.dumps([self.identity, task, dict(spec)], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]


@contextlib.contextmanager
def open_sessions(identities: Mapping[Path, str]) -> Iterator[dict[Path, BenchSession]]:
    """One BenchSession per report path (→ identity); their common folder is removed unless an exception was raised.

    Resumes an earlier attempt for the same reports. JobError when another process uses the folder.
    """
    first = next(iter(identities))
    root = first.with_name(f".bench-session-{_hash(*sorted(path.name for path in identities))[:16]}")
    with exclusive(root):
        session_id = _session_id(root / f"token-{_hash(*sorted(identities.values()))[:16]}")
        yield {
            path: BenchSession(folder=root / path.stem, identity=identity, session_id=session_id)
            for path, identity in identities.items()
        }
        done = root.with_name(f"{root.name}.{os.getpid()}.done")
        if sys.platform == "win32":  # a folder with an open file in it (its lock) cannot be renamed there
            done = root
        else:
            root.rename(done)
    shutil.rmtree(done, ignore_errors=True)


def _session_id(path: Path) -> str:
    """The random id stored at ``path``, created when missing: other models, data or packages have another path."""
    if not path.is_file():
        write_text(path, os.urandom(8).hex())
    return path.read_text(encoding="utf-8").strip()


@lru_cache(maxsize=1)
def code_sha256() -> str:
    """sha256 over the sources that define the metrics: results of a corrected metric's old code must not be reused."""
    folder = Path(__file__).parents[1]
    files = sorted(path for package in _MEASURING for path in (folder / package).rglob("*.py"))
    return _hash(*(f"{file.relative_to(folder).as_posix()} {file.read_text(encoding='utf-8')}" for file in files))


def _hash(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _read(path: Path) -> dict[str, Any] | None:
    """The stored result; None when there is none or it is damaged."""
    try:
        result = read_json(path, CONFIG, JobError)
    except (OSError, ValueError):
        return None
    return result if isinstance(result, dict) and "seconds" in result else None
