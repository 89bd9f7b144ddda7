"""What every child process of ours has in common: it dies with us, and it tells how far it is."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

__all__ = ["PROGRESS_VARIABLE", "die_with_parent", "report_progress"]

PROGRESS_VARIABLE = "OLIVEPRESS_PROGRESS"  # names the file that the parent watches
_PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """For ``preexec_fn``: kill -9 of olivepress must not leave a child behind that writes into the next run.

    Linux only; elsewhere a child outlives a killed parent.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def report_progress(done: int, total: int, **facts: Any) -> None:
    """In a child: append one JSON line to the file that the parent watches; does nothing where there is none."""
    path = os.environ.get(PROGRESS_VARIABLE)
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps({"done": done, "total": total, **facts}) + "\n")
