"""A child process that does not outlive us, watched for memory and disk while it runs."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO, Any

import psutil

from olivepress.core.files import bytes_below
from olivepress.core.process import BEFORE_EXEC

__all__ = ["Usage", "UsageWatch", "end_process", "start_process"]

_POLL_SECONDS = 0.2
Stream = int | IO[Any] | None  # None: that of this process


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Seconds of wall time, peak resident bytes, most bytes by which its folders grew (sampled; 0 if not watched)."""

    seconds: float
    peak_memory_bytes: int
    peak_disk_bytes: int


@contextlib.contextmanager
def start_process(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: Stream,
    stdout: Stream,
    stderr: Stream,
    lowest_priority: bool = False,
) -> Iterator[subprocess.Popen[str]]:
    """Start ``command`` in a process group of its own, which Ctrl-C does not reach; at the end of the block it and what
    it started are ended. ``lowest_priority``: it runs when no other process of the session wants the core (on Linux;
    nice 19 on macOS, no lower priority on Windows).

    The session is that of this process: Linux may schedule each session as one (sched(7), autogroups), and a priority
    then counts among the processes of a session only.
    """
    process = subprocess.Popen(
        list(command),
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=dict(environment),
        process_group=0,
        preexec_fn=partial(_before_exec, lowest_priority) if os.name == "posix" else None,
    )
    try:
        yield process
    finally:
        end_process(process)
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):  # what it was not sent: it ended before
                    stream.close()


def _before_exec(lowest_priority: bool) -> None:
    if BEFORE_EXEC is not None:
        BEFORE_EXEC()
    for number in (signal.SIGTTIN, signal.SIGTTOU):  # else the terminal stops who uses it from the background
        signal.signal(number, signal.SIG_IGN)
    if lowest_priority:
        with contextlib.suppress(OSError):
            os.nice(19)
        with contextlib.suppress(OSError, AttributeError):
            os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def end_process(process: subprocess.Popen[str]) -> None:
    """Kill it and its group, unless it has ended."""
    if process.poll() is not None:
        return
    if hasattr(os, "killpg"):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()
    process.wait()


class UsageWatch:
    """In a ``with`` block, samples a process from a thread, and the growth of the ``folders`` that it writes to.

    Not of the file system: other processes write there too. Without folders nothing is sampled: a process that measures
    is not disturbed.
    """

    def __init__(self, pid: int, folders: Sequence[Path]) -> None:
        self._pid, self._folders = pid, folders
        self._began = time.monotonic()
        self._memory = self._disk = 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> UsageWatch:
        if self._folders:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._folders:
            self._thread.join()

    @property
    def usage(self) -> Usage:
        """So far."""
        seconds = time.monotonic() - self._began
        return Usage(seconds=seconds, peak_memory_bytes=self._memory, peak_disk_bytes=self._disk)

    def _watch(self) -> None:
        before = sum(map(bytes_below, self._folders))
        while not self._ended.wait(_POLL_SECONDS):
            self._memory = max(self._memory, _high_water(self._pid))
            self._disk = max(self._disk, sum(map(bytes_below, self._folders)) - before)


def _high_water(pid: int) -> int:
    """VmHWM of the process in bytes: the kernel's own peak, so that sampling misses only the last moments."""
    try:
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
        return 0
    except (OSError, ValueError, IndexError):
        with contextlib.suppress(psutil.Error):
            return int(psutil.Process(pid).memory_info().rss)
        return 0
