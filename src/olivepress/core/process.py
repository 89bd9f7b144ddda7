"""What our processes have in common: a child dies with us, the peak memory, the lock on a folder."""

from __future__ import annotations

import contextlib
import ctypes
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from olivepress.core.errors import JobError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["BEFORE_EXEC", "exclusive", "peak_memory_bytes"]

_PR_SET_PDEATHSIG = 1


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
def exclusive(directory: Path) -> Iterator[None]:
    """Lock a directory for this process; the kernel releases it when the process ends. JobError when it is locked."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as file:
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):
            raise JobError(f"{directory}: another olivepress is running here", next_step="wait for it") from None
        yield


def _lock(file: IO[str]) -> None:
    if sys.platform == "win32":
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
