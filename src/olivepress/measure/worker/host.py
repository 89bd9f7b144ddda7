"""Starts a measuring process and returns its result, or raises what it raised.

Why processes: a cold load and a peak memory belong to one process only, and a crash in native code costs one task
instead of the whole bench. Progress goes out as JSON lines; the last line of stdout is the result.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import olivepress.core.errors as tree
from olivepress.core.errors import JobError, OlivepressError
from olivepress.core.privacy import private_environment
from olivepress.core.process import BEFORE_EXEC
from olivepress.core.progress import Progress
from olivepress.report.ceiling import ceiling_environment

__all__ = ["run_child"]

Spec = Mapping[str, Any]


def run_child(
    task: str,
    spec: Spec,
    *,
    interpreter: Path | None = None,
    progress: Progress | None = None,
    timeout_s: float | None = None,
) -> dict[str, Any]:
    """Run ``task`` of ``tasks.TASKS`` in a fresh process and return its result, with its own ``peak_rss_bytes``.

    ``interpreter`` is another environment's Python, None for this one.

    Raises the child's own error again (same class of ``core.errors``), or JobError when it was killed, crashed or ran
    past ``timeout_s`` seconds. The child does not outlive this call, Ctrl-C included.
    """
    last: dict[str, Any] = {}
    with tempfile.TemporaryFile(mode="w+", encoding="utf-8", errors="replace") as stderr:
        process = _start(task, spec, stderr, interpreter)
        began = time.monotonic()
        timer = _kill_after(process, timeout_s)
        try:
            _feed(process, spec)
            assert process.stdout is not None
            for line in process.stdout:
                message = _message(line)
                if "progress" in message and progress:
                    progress(*message["progress"])
                elif "result" in message or "error" in message:
                    last = message
            process.wait()
        finally:
            timer.cancel()
            if process.poll() is None:
                process.kill()
                process.wait()
        if process.returncode == 0 and "result" in last:
            result: dict[str, Any] = last["result"]
            return result
        if timeout_s is not None and time.monotonic() - began >= timeout_s:
            raise JobError(f"the {task} process ran past its limit of {timeout_s:g} s", next_step="raise the limit")
        stderr.seek(0)
        raise _failure(task, process.returncode, last, stderr.read())


def _start(task: str, spec: Spec, stderr: IO[str], interpreter: Path | None) -> subprocess.Popen[str]:
    return subprocess.Popen(
        # -P: the current folder is not on the path, so that a user's json.py does not shadow the real one.
        [str(interpreter or sys.executable), "-P", "-m", "olivepress.measure.worker.child", task],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=stderr,
        text=True,
        encoding="utf-8",
        errors="replace",
        env=_environment() | ({} if task != "ceiling" else ceiling_environment(spec["threads"])),
        preexec_fn=BEFORE_EXEC,
    )


def _feed(process: subprocess.Popen[str], spec: Spec) -> None:
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(spec))
        process.stdin.close()
    except BrokenPipeError:
        pass  # it died before reading: its exit code and stderr say why


def _kill_after(process: subprocess.Popen[str], timeout_s: float | None) -> threading.Timer:
    timer = threading.Timer(timeout_s or 0.0, process.kill)
    timer.daemon = True
    if timeout_s is not None:
        timer.start()
    return timer


def _environment() -> dict[str, str]:
    # Measuring never goes to the network: a missing file must be an error, not a download.
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment = private_environment(**offline, PYTHONIOENCODING="utf-8")
    # A process that goes without torch (run.verify_export) may ask the PyTorch parent for its answers.
    environment.pop("USE_TORCH", None)
    return environment


def _message(line: str) -> dict[str, Any]:
    """Native libraries print to stdout as well: what is not one of our JSON objects is skipped."""
    try:
        parsed = json.loads(line)
    except ValueError:
        return {}
    return parsed if isinstance(parsed, dict) else {}


def _failure(task: str, code: int, last: dict[str, Any], stderr: str) -> OlivepressError:
    if "error" in last:
        kind = getattr(tree, str(last.get("kind")), JobError)
        error: OlivepressError = kind(last["error"], next_step=last.get("next_step"))
        return error
    lines = [line for line in stderr.strip().splitlines() if line.strip()]
    hint = f": {lines[-1][:300]}" if lines else ""
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
        why = f"was killed by {name}" + (" (out of memory or time?)" if -code == signal.SIGKILL else "")
    else:
        why = f"ended with exit code {code} and no result"
    return JobError(f"the {task} process {why}{hint}", next_step="free memory or make the workload smaller")
