"""The parent's side: runs a task in a process of its own and returns its result, or raises what it raised.

Why processes: a cold load and a peak memory belong to one process only, another environment's packages need another
interpreter, and a crash in native code costs one task instead of the whole run.
"""

from __future__ import annotations

import contextlib
import inspect
import json
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from pydantic import BaseModel

from olivepress.core.child.messages import ErrorMessage, ProgressMessage, ResultMessage, error_of, parse_message
from olivepress.core.child.process import Usage, UsageWatch, end_process, start_process
from olivepress.core.errors import JobError
from olivepress.core.privacy import child_environment
from olivepress.core.progress import Progress

__all__ = ["Call", "ChildDied", "Finished", "TaskProcess", "call_task", "run_task", "task_process"]

_MOST_OUTPUT = 64 * 1024
SpecType = TypeVar("SpecType", bound=BaseModel)
ResultType = TypeVar("ResultType", bound=BaseModel)


class ChildDied(JobError):
    """The process ended without a result and without an error of its own; ``exit_code`` is negative for a signal."""

    def __init__(self, message: str, *, exit_code: int, usage: Usage) -> None:
        super().__init__(message, next_step="free memory or make the workload smaller")
        self.exit_code = exit_code
        self.usage = usage


@dataclass(frozen=True, kw_only=True)
class Finished(Generic[ResultType]):
    """What a task returned, and what it took."""

    result: ResultType
    usage: Usage


@dataclass(frozen=True, kw_only=True)
class Call:
    """How a task is run. ``interpreter`` None is this Python; ``environment`` None is offline: measuring never
    downloads. What the process prints is appended to ``log``. With folders that it ``writes`` to, their growth and its
    memory are watched. ``lowest_priority``: as of ``start_process``."""

    interpreter: Path | None = None
    environment: Mapping[str, str] | None = None
    on_progress: Progress | None = None
    timeout_s: float | None = None
    log: Path | None = None
    writes: tuple[Path, ...] = ()
    lowest_priority: bool = False


def run_task(
    task: Callable[[SpecType, Progress], ResultType],
    spec: SpecType,
    *,
    interpreter: Path | None = None,
    environment: Mapping[str, str] | None = None,
    on_progress: Progress | None = None,
    timeout_s: float | None = None,
    log: Path | None = None,
    writes: tuple[Path, ...] = (),
) -> Finished[ResultType]:
    """Call ``task(spec, progress)``, a function of a module, in a fresh process; the options are those of ``Call``.

    Raises the child's own error again (same class of ``core.errors``), ChildDied when it crashed or was killed,
    JobError when it ran past ``timeout_s`` seconds. The process does not outlive this call, Ctrl-C included.
    """
    call = Call(
        interpreter=interpreter,
        environment=environment,
        on_progress=on_progress,
        timeout_s=timeout_s,
        log=log,
        writes=writes,
    )
    message, usage = call_task(f"{task.__module__}:{task.__qualname__}", spec.model_dump(mode="json"), call)
    result_type: type[ResultType] = inspect.signature(task, eval_str=True).return_annotation
    return Finished(result=result_type.model_validate(message.result, strict=False), usage=usage)


def call_task(name: str, spec: Mapping[str, Any], call: Call) -> tuple[ResultMessage, Usage]:
    """As ``run_task``, for a task by its name (``MODULE:FUNCTION``) and the fields of its spec, as JSON has them."""
    with task_process(call) as process:
        answer = process.run(name, spec, call.on_progress)
        process.end()
        return answer


@contextlib.contextmanager
def task_process(call: Call) -> Iterator[TaskProcess]:
    """A process for several tasks; ``timeout_s`` is for all of them together. It does not outlive the block."""
    command = [str(call.interpreter or sys.executable), "-P", "-m", "olivepress.core.child.serve"]
    environment = child_environment(offline=True) if call.environment is None else call.environment
    with (
        _output(call.log) as output,
        start_process(
            command,
            environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            lowest_priority=call.lowest_priority,
        ) as process,
        UsageWatch(process.pid, call.writes) as watch,
        _time_limit(process, call.timeout_s),
    ):
        yield TaskProcess(process, output, watch, call.timeout_s)


class TaskProcess:
    """Runs one task after another: what a task has loaded, the next ones find. After an error of a task it goes on."""

    def __init__(
        self, process: subprocess.Popen[str], output: IO[bytes], watch: UsageWatch, timeout_s: float | None
    ) -> None:
        self._process, self._output, self._watch, self._timeout_s = process, output, watch, timeout_s
        self._title = ""

    def run(self, name: str, spec: Mapping[str, Any], on_progress: Progress | None) -> tuple[ResultMessage, Usage]:
        """The result of a task and what the process has used until now. Raises as ``run_task``."""
        self._title = name.rpartition(":")[2]
        _send(self._process, name, spec)
        last = _receive(self._process, on_progress)
        if isinstance(last, ResultMessage):
            usage = self._watch.usage
            return last, replace(usage, peak_memory_bytes=max(usage.peak_memory_bytes, last.peak_memory_bytes))
        if isinstance(last, ErrorMessage):
            raise error_of(last)
        raise self._died()

    def end(self) -> None:
        """Let it end by itself; ChildDied when that fails, as where a native library crashes at its exit."""
        assert self._process.stdin is not None
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.close()
        if self._process.wait() != 0:
            raise self._died()

    def kill(self) -> None:
        """End it at once, from any thread: a task that runs raises ChildDied."""
        end_process(self._process)

    def _died(self) -> JobError:
        code, usage, limit = self._process.wait(), self._watch.usage, self._timeout_s
        if limit is not None and usage.seconds >= limit:
            message = f"the {self._title} process ran past its limit of {limit:g} s"
            return JobError(message, next_step="raise the limit")
        return _died(self._title, code, usage, _last_line(self._output))


@contextlib.contextmanager
def _output(log: Path | None) -> Iterator[IO[bytes]]:
    """Where the process prints: appended to the log, else to a file that goes away."""
    if log is None:
        with tempfile.TemporaryFile() as file:
            yield file
        return
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab+") as file:
        yield file


def _send(process: subprocess.Popen[str], name: str, spec: Mapping[str, Any]) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it died before reading: its exit code and output say why
        process.stdin.write(json.dumps({"task": name, "spec": spec}) + "\n")
        process.stdin.flush()


def _receive(process: subprocess.Popen[str], on_progress: Progress | None) -> ResultMessage | ErrorMessage | None:
    """Pass progress on until the task's result or error; None when the process ended without."""
    assert process.stdout is not None
    for line in process.stdout:
        message = parse_message(line)
        if isinstance(message, ProgressMessage):
            if on_progress is not None:
                on_progress(message.done, message.total)
        elif message is not None:
            return message
    return None


@contextlib.contextmanager
def _time_limit(process: subprocess.Popen[str], seconds: float | None) -> Iterator[None]:
    timer = threading.Timer(seconds or 0.0, end_process, [process])
    timer.daemon = True
    if seconds is not None:
        timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _last_line(output: IO[bytes]) -> str:
    size = output.seek(0, 2)
    output.seek(max(0, size - _MOST_OUTPUT))
    lines = output.read().decode("utf-8", "replace").split("\n")
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")


def _died(task: str, code: int, usage: Usage, last_line: str) -> ChildDied:
    reason = f"ended with exit code {code} and no result"
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
        reason = f"was killed by {name}"
        if code == -signal.SIGKILL:
            reason += " (out of memory or time?)"
    hint = f": {last_line}" if last_line else ""
    return ChildDied(f"the {task} process {reason}{hint}", exit_code=code, usage=usage)
