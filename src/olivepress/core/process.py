"""What our processes have in common: a child dies with us, the peak memory, the lock on a folder."""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING

from olivepress.core.bounded import read_text
from olivepress.core.errors import JobError, OlivepressError
from olivepress.core.progress import StageProgress

if TYPE_CHECKING:
    import psutil

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["BEFORE_EXEC", "exclusive", "in_turn", "peak_memory_bytes", "process_in"]

_PR_SET_PDEATHSIG = 1
_LOCK, _MOST_DIGITS = ".lock", 20
_POLL_S, _TURN_S = 0.05, 3600.0


def _die_with_parent() -> None:
    """Kill -9 of olivepress must not leave a child behind that writes into the next run.

    Linux only; elsewhere a child outlives a killed parent.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


# For ``preexec_fn`` of every child; Windows refuses every function.
BEFORE_EXEC = _die_with_parent if sys.platform == "linux" else None


def peak_memory_bytes() -> int:
    """Peak resident set of this process in bytes: VmHWM on Linux, else ``ru_maxrss``, else psutil's peak working set.

    VmHWM comes first because ``ru_maxrss`` is inherited across fork+exec and would show the parent's peak.
    """
    status = Path("/proc/self/status")
    if status.exists():
        match = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE)
        if match:
            return int(match.group(1)) * 1024
    try:
        import resource
    except ImportError:  # Windows
        import psutil

        info = psutil.Process().memory_info()
        return int(getattr(info, "peak_wset", info.rss))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)  # macOS counts bytes, Linux kilobytes


@contextlib.contextmanager
def exclusive(directory: Path, *, wait_s: float = 0.0, on_wait: Callable[[], None] | None = None) -> Iterator[None]:
    """Lock a directory for this process; the kernel releases it when the process ends.

    ``on_wait`` is called once where it is locked and can be waited for. JobError when it is still locked after
    ``wait_s`` seconds.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / _LOCK).open("a+") as file:
        file.seek(0)  # Windows locks from here on
        _lock_within(file, directory, wait_s, on_wait)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)  # the process may go on with something else


@contextlib.contextmanager
def in_turn(directory: Path, on_progress: StageProgress) -> Iterator[None]:
    """Lock a directory where several processes need the same made: each waits for its turn, up to an hour, then finds
    what the one before has made. JobError as ``exclusive``."""
    on_wait = partial(on_progress, "wait for another olivepress that makes it", 0, 0)
    with exclusive(directory, wait_s=_TURN_S, on_wait=on_wait):
        yield


def process_in(directory: Path) -> psutil.Process | None:
    """The process that holds the lock on a directory, without touching the lock; None where there is none.

    A process that started after the lock was written has only got the number of one that ended.
    """
    import psutil

    path = directory / _LOCK
    try:
        process = psutil.Process(int(read_text(path, _MOST_DIGITS)))
        started_before = process.create_time() <= path.stat().st_mtime + 1
        return process if started_before and process.is_running() else None
    except (OSError, ValueError, OverflowError, OlivepressError, psutil.Error):
        return None


def _lock_within(file: IO[str], directory: Path, seconds: float, on_wait: Callable[[], None] | None) -> None:
    until = time.monotonic() + seconds
    while True:
        try:
            return _lock(file)
        except (BlockingIOError, PermissionError):
            if time.monotonic() >= until:
                raise JobError(f"{directory}: another olivepress is running here", next_step="wait for it") from None
        if on_wait is not None:
            on_wait()
            on_wait = None
        time.sleep(_POLL_S)


def _lock(file: IO[str]) -> None:
    if sys.platform == "win32":
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
