"""One wrong input, and how a command is called with it."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Case", "NoAnswerError", "Result", "call"]

LIMIT_SECONDS = 10  # of processor time, which other processes of the machine do not use up
WAIT_SECONDS = 60  # by the clock, for a command that sleeps or waits


class NoAnswerError(BaseException):
    """The command was stopped at a limit; nothing that it catches may hide that."""


@dataclass(frozen=True, kw_only=True)
class Case:
    """``files``: path below the directory that the command runs in → content. A name that ends in "/" is a folder."""

    name: str
    arguments: tuple[str, ...]
    files: Mapping[str, bytes | str] = field(default_factory=dict)
    input: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    exit_code: int
    out: str
    error: str

    @property
    def problem(self) -> str | None:
        """What is wrong with how the input was refused, or None."""
        if self.exit_code == 0:
            return "accepted"
        if "Traceback" in self.out + self.error:
            return "a traceback"
        if "and report it" in self.error:
            return f"unexpected: {self.error.strip()[:300]}"
        lines = [line for line in self.error.splitlines() if line.startswith("olivepress: ")]
        if len(lines) != 1:
            return f"{len(lines)} error lines: {self.error.strip()[:300]!r}"
        return None


def call(case: Case, directory: Path) -> Result:
    """Run the command in this process, in ``directory``. Raises NoAnswerError at a limit of time."""
    for name, content in case.files.items():
        path = directory / name
        if name.endswith("/"):
            path.mkdir(parents=True, exist_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    from olivepress.cli.main import main

    out, error, code = io.StringIO(), io.StringIO(), 0
    with _in(directory), _time_limit(), contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        before = sys.argv, sys.stdin
        sys.argv, sys.stdin = ["olivepress", *case.arguments], io.StringIO(case.input)
        try:
            main()
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 1
        finally:
            sys.argv, sys.stdin = before
    return Result(exit_code=code, out=out.getvalue(), error=error.getvalue())


@contextlib.contextmanager
def _in(directory: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(directory)
    try:
        yield
    finally:
        os.chdir(before)


@contextlib.contextmanager
def _time_limit() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise NoAnswerError(f"no answer within {LIMIT_SECONDS} s of processor time and {WAIT_SECONDS} s in all")

    before = [(number, signal.signal(number, stop)) for number in (signal.SIGPROF, signal.SIGALRM)]
    signal.setitimer(signal.ITIMER_PROF, LIMIT_SECONDS)
    signal.alarm(WAIT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
        for number, handler in before:
            signal.signal(number, handler)
