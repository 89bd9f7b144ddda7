"""The folder of a worker: objects that arrived, a folder for each job that runs, and the GPUs that are free."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from olivepress.core.artifact import hash_file
from olivepress.core.errors import JobError
from olivepress.core.files import copy_file
from olivepress.run.executors.needs import Announcement
from olivepress.run.executors.specs import FileRef, JobSpec
from olivepress.run.executors.store import Store

__all__ = ["TASKS", "Place", "enter", "here"]

# What a worker can do: the functions that run in the process of a job, by their names.
TASKS: Mapping[str, str] = {
    "job": "olivepress.run.executors.job_process:job_task",
    "echo": "olivepress.run.executors.job_process:echo_task",
}
_DAY_S = 24 * 3600.0
_OLD_S = 7 * _DAY_S
_POLL_S, _GPU_S = 0.25, 60.0


class Place:
    """What the jobs of one worker process share. ``environments`` is the folder of the environments of this machine;
    ``tasks`` are those of higher rooms that it runs as well."""

    def __init__(
        self,
        folder: Path,
        announcement: Announcement,
        *,
        environments: Path,
        gpus: tuple[str, ...],
        tasks: Mapping[str, str] = TASKS,
    ) -> None:
        self.tasks = {**TASKS, **tasks}
        self.folder, self.announcement, self.environments = folder.absolute(), announcement, environments.absolute()
        self._gpus = list(gpus)
        self._used = set[Path]()  # folders of jobs
        self._removed = time.monotonic()  # what is old
        self._freed, self._fetching = threading.Condition(), threading.Lock()

    @property
    def machine(self) -> str:
        return self.announcement.machine

    def job_folder(self, spec: JobSpec) -> Path:
        """The project folder of a job; the same one for each try, so that a fine-tune finds its checkpoints."""
        name = "".join(sign if sign.isalnum() or sign in "._-" else "-" for sign in spec.id)
        return self.folder / "jobs" / f"{name[:80]}-{spec.key[:12]}"

    def bring(self, store: Store, ref: FileRef, target: Path) -> None:
        """Put a file of the store where a job reads it: fetched once, checked, linked. Raises as ``Store.get``."""
        kept = self.folder / "objects" / ref.sha256[:2] / ref.sha256
        with self._fetching:
            if not (kept.is_file() and hash_file(kept).sha256 == ref.sha256):  # a job may have written into a link
                store.get(ref, kept)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.unlink(missing_ok=True)
            os.utime(kept)
            try:
                os.link(kept, target)
            except OSError:
                copy_file(kept, target)

    @contextlib.contextmanager
    def alone_in(self, folder: Path, wanted: Callable[[], bool]) -> Iterator[bool]:
        """Nobody else of this worker uses the folder in the block: when the scheduler was gone, an earlier try of the
        same job may still send what it wrote. False when the job is not ``wanted`` any more before that has ended."""
        with self._freed:
            while (taken := folder in self._used) and wanted():
                self._freed.wait(_POLL_S)
            if not taken:
                self._used.add(folder)
        try:
            yield not taken
        finally:
            with self._freed:
                if not taken:
                    self._used.discard(folder)
                self._freed.notify_all()

    @contextlib.contextmanager
    def gpus(self, count: int) -> Iterator[str]:
        """The GPUs of a job, which nobody else gets meanwhile, as CUDA_VISIBLE_DEVICES has them: "" of none.

        JobError when so many do not get free: an earlier job's process does not end.
        """
        with self._freed:
            if not self._freed.wait_for(lambda: len(self._gpus) >= count, timeout=_GPU_S):
                raise JobError(f"{self.machine}: no GPU is free")
            taken, self._gpus = self._gpus[:count], self._gpus[count:]
        try:
            yield ",".join(taken)
        finally:
            with self._freed:
                self._gpus = [*self._gpus, *taken]
                self._freed.notify_all()

    def remove_old(self, now: float | None = None) -> None:
        """What no job has used for a week, nor uses now."""
        self._removed = time.monotonic()
        limit = (time.time() if now is None else now) - _OLD_S
        with self._fetching:
            for path in self.folder.glob("objects/*/*"):
                _remove_older(path, limit)
        with self._freed:  # a job that begins meanwhile waits
            for path in self.folder.glob("jobs/*"):
                if path not in self._used:
                    _remove_older(path, limit)

    def remove_old_again(self) -> None:
        """Once a day: a worker may run for months."""
        if time.monotonic() - self._removed >= _DAY_S:
            self.remove_old()


def _remove_older(path: Path, limit: float) -> None:
    with contextlib.suppress(OSError):
        if path.stat().st_mtime >= limit:
            return
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


_HERE: list[Place] = []


def enter(place: Place) -> None:
    """From now on this process is a worker with that folder."""
    _HERE[:] = [place]


def here() -> Place:
    """The folder of this worker. RuntimeError in a process that is none of ours, such as a plain ``dask worker``."""
    if not _HERE:
        raise RuntimeError("this process is no olivepress worker; start it with olivepress worker")
    return _HERE[0]
