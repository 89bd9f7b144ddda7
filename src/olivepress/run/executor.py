"""One child process: started so that it dies with us, watched for memory and disk, its output kept in a log."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from olivepress.core.errors import JobError, whole_message
from olivepress.core.privacy import OLIVE_RUNS, private_environment
from olivepress.core.process import BEFORE_EXEC, PROGRESS_VARIABLE

__all__ = ["ChildResult", "OnProgress", "child_environment", "failure_in", "last_error", "run_child", "warnings_in"]

OnProgress = Callable[[int, int, float | None], None]  # done, total, loss
_POLL_SECONDS = 0.2
_FULL_BYTES = 256 * 1024
# The last line of a traceback: a builtin error, or any class by its dotted name.
_LAST_ERROR = re.compile(
    r"^(?:(?:\w+\.)+(?=[A-Z])(?=\w+: )|(?=\w*(?:Error|Exception|Interrupt)\b))(\w+):?\s*(.*)$", re.MULTILINE
)
# What follows a message: an empty line, the next line of a log, another traceback or the next exception.
_AFTER_MESSAGE = re.compile(
    r"\n\s*\n|\n(?=\[\d{4}-|\[\w+\]|\d{4}-\d\d|Traceback|The above exception|During handling"
    r"|\S*(?:Warning|WARNING|INFO))"
)
# Between the two errors of a chain: Python says how they belong together, and prints the frames of the second.
_CAUSE = re.compile(r"(?:(?!Traceback).)*(?:The above exception was|During handling of).*", re.DOTALL)
_WARNING = re.compile(r"^\[[^\]]+\] \[WARNING\] \[[^\]]+\] (.*(?i:\bignor|\bprun|\bdropp).*)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class ChildResult:
    """How the child ended: seconds of wall time, peak resident bytes, growth of used disk in bytes (sampled)."""

    exit_code: int
    seconds: float
    peak_memory_bytes: int
    peak_disk_bytes: int


def child_environment(*, scratch: Path, progress: Path, offline: bool) -> dict[str, str]:
    """Telemetry off, nothing imported from the working directory, caches beside the job, no network unless the model
    is a Hub id."""
    environment = private_environment(**OLIVE_RUNS) | {
        "HF_DATASETS_CACHE": str(scratch / "datasets"),
        "TOKENIZERS_PARALLELISM": "false",
        "PYTHONHASHSEED": "0",
        "PYTHONUNBUFFERED": "1",
        PROGRESS_VARIABLE: str(progress),
    }
    if offline:
        environment |= {"HF_HUB_OFFLINE": "1"}
    return environment


def run_child(
    interpreter: Path | None,
    arguments: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    progress: Path | None = None,
    on_progress: OnProgress | None = None,
) -> ChildResult:
    """Run ``interpreter arguments…`` (None: this Python) to its end.

    On Ctrl-C the child is stopped first, then KeyboardInterrupt goes on.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    used = shutil.disk_usage(log.parent).used
    peak_memory = peak_disk = 0
    with log.open("ab") as output:
        child = subprocess.Popen(
            [str(interpreter or sys.executable), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=True,
            preexec_fn=BEFORE_EXEC,
        )
        try:
            while child.poll() is None:
                peak_memory = max(peak_memory, _high_water(child.pid))
                peak_disk = max(peak_disk, shutil.disk_usage(log.parent).used - used)
                if progress and on_progress:
                    _tell(progress, on_progress)
                time.sleep(_POLL_SECONDS)
        finally:
            if child.poll() is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
    return ChildResult(
        exit_code=child.returncode,
        seconds=time.monotonic() - started,
        peak_memory_bytes=peak_memory,
        peak_disk_bytes=peak_disk,
    )


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


def _tell(progress: Path, on_progress: OnProgress) -> None:
    """Pass on the newest whole line of the progress file."""
    with contextlib.suppress(OSError, ValueError, IndexError, KeyError):
        last = progress.read_text(encoding="utf-8").rstrip("\n").splitlines()[-1]
        record = json.loads(last)
        on_progress(int(record["done"]), int(record["total"]), record.get("loss"))


def failure_in(log: Path, result: ChildResult) -> JobError:
    """The reason in a failed child's log, in one line."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    full = shutil.disk_usage(log.parent).free < _FULL_BYTES  # then the log itself was cut
    if full or "No space left on device" in text or "os error 28" in text:
        return JobError(f"disk full while the job ran ({log})", next_step="free disk space and run the same command")
    if result.exit_code == -signal.SIGKILL:
        peak = result.peak_memory_bytes / 1e9
        return JobError(
            f"the job was killed from outside, most likely for memory, at {peak:.1f} GB ({log})",
            next_step="free memory, or run on a larger machine; a fine-tune goes on from its last checkpoint",
        )
    if message := last_error(text):
        what, _, step = message.partition("; next: ")  # an error of ours brings its own next step
        return JobError(f"{what} ({log})", next_step=step or f"read {log}")
    return JobError(f"Olive ended with code {result.exit_code} and made no model ({log})", next_step=f"read {log}")


def last_error(text: str) -> str:
    """``Class: message`` of the last exception in a log, its further lines too, and the first of those it came from."""
    errors = list(_LAST_ERROR.finditer(text))
    if not errors:
        return ""
    said = [_said_by(text, match) for match in errors]
    message, first = said[-1], len(errors) - 1
    while first and _CAUSE.fullmatch(text[errors[first - 1].end() : errors[first].start()]):
        first -= 1
    root = said[first]
    return message if root.partition(": ")[2] in message else f"{message}, from {root}"


def _said_by(text: str, match: re.Match[str]) -> str:
    """An error's class and message, up to where the log goes on with something else."""
    following = _AFTER_MESSAGE.split(text[match.end() :], maxsplit=1)[0]
    return f"{match[1]}: {whole_message(match[2] + following) or 'no message'}"


def warnings_in(log: Path, *, most: int = 3) -> list[str]:
    """What a child's log says it dropped, ignored or left undone, in a few lines."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
    found = dict.fromkeys(whole_message(match[1]) for match in _WARNING.finditer(text))
    return [f"the log says: {message}" for message in found][:most]
