"""What our processes have in common: a child dies with us and tells how far it is; one works where one works."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from olivepress.core.errors import JobError

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["BEFORE_EXEC", "PROGRESS_VARIABLE", "exclusive", "report_progress"]

PROGRESS_VARIABLE = "OLIVEPRESS_PROGRESS"  # names the file that the parent watches
_PR_SET_PDEATHSIG = 1


def _die_with_parent() -> None:
    """Kill -9 of olivepress must not leave a child behind that writes into the next run.

    Linux only; elsewhere a child outlives a killed parent.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


# For ``preexec_fn`` of every child. Windows refuses any.
BEFORE_EXEC = _die_with_parent if sys.platform == "linux" else None


def report_progress(done: int, total: int, **facts: Any) -> None:
    """In a child: append one JSON line to the file that the parent watches; does nothing where there is none."""
    path = os.environ.get(PROGRESS_VARIABLE)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"done": done, "total": total, **facts}) + "\n")


@contextlib.contextmanager
def exclusive(directory: Path) -> Iterator[None]:
    """Hold a directory for this process; the kernel lets go when it dies. Raises JobError when another holds it."""
    directory.mkdir(parents=True, exist_ok=True)
    with (directory / ".lock").open("w") as file:
        try:
            _lock(file)
        except (BlockingIOError, PermissionError):
            raise JobError(f"{directory}: another olivepress is at work here", next_step="wait for it") from None
        yield


def _lock(file: IO[str]) -> None:
    if sys.platform == "win32":
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
