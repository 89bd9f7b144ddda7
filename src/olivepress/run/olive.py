"""Olive in a process of its own. Its output is a log; what our code inside it reports comes through a file.

Progress and errors are the messages of ``core.child``; the result are the files that Olive writes.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from olivepress.core.child.messages import (
    MESSAGES_VARIABLE,
    ErrorMessage,
    ProgressMessage,
    ResultMessage,
    parse_message,
)
from olivepress.core.child.process import Usage, UsageWatch, start_process
from olivepress.core.errors import DivergedError, JobError
from olivepress.core.privacy import OLIVE_RUNS, child_environment
from olivepress.run.failure import disk_full, killed, refused_memory, with_log
from olivepress.run.olive_log import last_error, read_log

__all__ = ["OliveProgress", "OliveRun", "job_environment", "olive_error", "run_olive"]

OliveProgress = Callable[[ProgressMessage], None]
_POLL_SECONDS = 0.2


@dataclass(frozen=True, kw_only=True)
class OliveRun:
    """How Olive ended; ``error`` is what our own code inside it raised last, if it raised anything."""

    exit_code: int
    usage: Usage
    error: ErrorMessage | None = None


def job_environment(*, scratch: Path, messages: Path | None = None) -> dict[str, str]:
    """The environment of a job's processes: offline, as the base model is here, caches and temporary files beside the
    job, the same hash seed every time.

    ``messages`` is the file that our code inside Olive writes to.
    """
    temporary = scratch / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    environment = child_environment(offline=True, temporary=temporary)
    environment.update(OLIVE_RUNS)
    environment |= {"TOKENIZERS_PARALLELISM": "false", "PYTHONHASHSEED": "0", "PYTHONUNBUFFERED": "1"}
    environment["HF_DATASETS_CACHE"] = str(scratch / "datasets")
    if messages is not None:
        environment[MESSAGES_VARIABLE] = str(messages)
    return environment


def run_olive(
    interpreter: Path | None,
    arguments: Sequence[str],
    *,
    log: Path,
    writes: Sequence[Path],
    environment: Mapping[str, str],
    on_progress: OliveProgress,
    on_note: Callable[[str], None] = lambda _: None,
) -> OliveRun:
    """Run ``interpreter arguments…`` (None: this Python) to its end, its output appended to ``log``. What it
    writes is below the folders ``writes``, whose growth is measured.

    On Ctrl-C the process is ended first, then KeyboardInterrupt goes on.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    messages = _Messages(Path(environment[MESSAGES_VARIABLE]))
    error: ErrorMessage | None = None
    command = [str(interpreter or sys.executable), *arguments]
    with (
        log.open("ab") as output,
        start_process(
            command, environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        ) as process,
        UsageWatch(process.pid, writes) as watch,
    ):
        running = True
        while running:
            running = process.poll() is None
            for message in messages.new():
                if isinstance(message, ErrorMessage):
                    error = message
                elif isinstance(message, ProgressMessage):
                    on_progress(message)
                    for note in message.notes:
                        on_note(note)
            if running:
                time.sleep(_POLL_SECONDS)
        return OliveRun(exit_code=process.returncode, usage=watch.usage, error=error)


class _Messages:
    """The messages that are added to a file from now on; it may contain those of an earlier, interrupted run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = path.stat().st_size if path.is_file() else 0

    def new(self) -> list[ProgressMessage | ResultMessage | ErrorMessage]:
        """Those of the lines that have been finished since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._read)
                lines = file.read()
        except OSError:
            return []
        whole = lines[: lines.rfind(b"\n") + 1]
        self._read += len(whole)
        messages = (parse_message(line) for line in whole.decode("utf-8", "replace").split("\n"))
        return [message for message in messages if message is not None]


def olive_error(run: OliveRun, log: Path) -> JobError:
    """Why Olive failed, in one line: our own error where there is one, else the last one in its log."""
    text = read_log(log)
    if error := disk_full(log, text):
        return error
    if error := killed(run.exit_code, run.usage, log):
        return error
    if run.error is not None:
        kind = DivergedError if run.error.kind == DivergedError.__name__ else JobError
        return with_log(run.error.error, run.error.next_step, log, kind)
    if message := last_error(text):
        if error := refused_memory(message, run.usage, log):
            return error
        return with_log(message, None, log)
    return with_log(f"Olive ended with code {run.exit_code} and wrote no model", None, log)
