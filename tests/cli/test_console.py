"""Progress as it is written: on a terminal, in a file, narrow, and where nobody reads it any more."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace
from typing import Any

import pytest

from olivepress.cli.bench_progress import BenchProgress
from olivepress.cli.console import HEARTBEAT_S, ConsoleReporter
from olivepress.core.child.messages import ProgressMessage
from olivepress.run.outcome import JobOutcome
from tests.core.test_pace import Time


def job(name: str) -> Any:
    return SimpleNamespace(id=name)


def ended(name: str) -> JobOutcome:
    return JobOutcome(job=name, state="not needed")


@pytest.fixture
def clock() -> Time:
    return Time()


def lines_of(reporter: ConsoleReporter, out: io.StringIO | None = None) -> io.StringIO:
    """Where the reporter writes from now on."""
    out = out or io.StringIO()
    reporter.console.file = out
    return out


def test_a_run_in_a_file(clock: Time) -> None:
    reporter = ConsoleReporter(quiet=False, clock=clock)
    out = lines_of(reporter)
    reporter.run_started([0.0, 100.0, 60.0])
    reporter.job_started(job("finetune"), 1, 1)
    reporter.job_ended(ended("finetune"))
    reporter.job_started(job("merge"), 2, 1)
    reporter.stage(job("merge"), "verify")
    clock.now += HEARTBEAT_S
    reporter.heartbeat()
    clock.now += HEARTBEAT_S - 1
    reporter.heartbeat()  # there was a line lately
    clock.now += 73
    reporter.heartbeat()
    reporter.job_ended(ended("merge"))
    assert out.getvalue().splitlines() == [
        "2 of 3 jobs to run: about 2.7 min",
        "[1/3] finetune",
        "finetune: not needed (0 s)",
        "[2/3] merge: about 1.7 min",
        "[2/3] merge: verify, 28 s so far, about 72 s left; whole run: about 2.2 min left",
        "[2/3] merge: verify, 2.1 min so far, longer than estimated; whole run: about 60 s left",
        "merge: not needed (2.1 min)",
    ]


def test_steps_and_loss_of_a_fine_tune(clock: Time) -> None:
    reporter = ConsoleReporter(quiet=False, clock=clock)
    out = lines_of(reporter)
    reporter.run_started([500.0])
    reporter.job_started(job("finetune"), 1, 1)
    reporter.job_progress(job("finetune"), ProgressMessage(done=0, total=0))  # what training counted of its rows
    clock.now += 10
    reporter.job_progress(job("finetune"), ProgressMessage(done=1, total=101, loss=2.5))
    clock.now += 20
    reporter.job_progress(job("finetune"), ProgressMessage(done=11, total=101, loss=1.25))
    reporter.heartbeat()
    assert out.getvalue().splitlines()[-1] == (
        "[1/1] finetune: step 11/101 loss 1.250, 30 s so far, about 3.1 min left; whole run: about 3.1 min left"
    )


def test_the_validation_loss_stays_until_the_next_evaluation(clock: Time) -> None:
    reporter = ConsoleReporter(quiet=False, clock=clock)
    out = lines_of(reporter)
    reporter.run_started([500.0])
    reporter.job_started(job("finetune"), 1, 1)
    reporter.job_progress(job("finetune"), ProgressMessage(done=10, total=100, loss=1.25))
    reporter.job_progress(job("finetune"), ProgressMessage(done=10, total=100, validation_loss=1.5, best=5))
    clock.now += HEARTBEAT_S
    reporter.job_progress(job("finetune"), ProgressMessage(done=11, total=100, loss=1.2))
    reporter.heartbeat()
    assert "finetune: step 11/100 loss 1.200, validation loss 1.500, best step 5, 28 s so far" in out.getvalue()
    reporter.job_started(job("finetune"), 1, 1)
    reporter.job_progress(job("finetune"), ProgressMessage(done=1, total=100, loss=2.0))
    clock.now += HEARTBEAT_S
    reporter.heartbeat()
    assert "step 1/100 loss 2.000, 28 s so far" in out.getvalue()


def test_everything_that_takes_long_has_a_heartbeat(clock: Time) -> None:
    """Without a run, by its own pace; brackets and colons are text."""
    reporter = ConsoleReporter(quiet=False, clock=clock)
    out = lines_of(reporter)
    reporter.begin("unpack [red]a.zip[/red] :smile:")
    reporter.update("unpack", 0, 100)
    clock.now += 30
    reporter.update("unpack", 25, 100)
    reporter.heartbeat()
    assert out.getvalue().splitlines() == [
        "unpack [red]a.zip[/red] :smile:",
        "unpack [red]a.zip[/red] :smile:: unpack, 30 s so far, about 1.5 min left",
    ]
    reporter.end("done")
    clock.now += 100
    reporter.checking("tokenizer: compare")
    reporter.heartbeat()  # it began just now
    reporter.end_task()
    reporter.heartbeat()  # nothing is running
    assert len(out.getvalue().splitlines()) == 3


def test_a_thread_keeps_the_heartbeat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("olivepress.cli.console.HEARTBEAT_S", 0.0)
    beats: list[str] = []
    with ConsoleReporter(quiet=False) as reporter:
        lines_of(reporter)
        monkeypatch.setattr(reporter, "heartbeat", lambda: beats.append("beat"))
        reporter._heart.join(timeout=1.2)
    assert beats and not reporter._heart.is_alive()
    with ConsoleReporter(quiet=True) as quiet:
        assert not quiet._heart.is_alive()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("term", "live"), [("xterm", True), ("dumb", False)])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(
    term: str, live: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr("sys.stderr", Terminal())
    assert ConsoleReporter(quiet=False).live is live


def test_a_log_with_forced_colors_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Build services set FORCE_COLOR, and rich takes their log for a terminal."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr("sys.stderr", io.StringIO())
    reporter = ConsoleReporter(quiet=False)
    assert reporter.console.is_terminal and not reporter.live


@pytest.mark.parametrize("columns", [60, 120])
def test_live_rows_fit_the_terminal(columns: int, clock: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", Terminal())
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", str(columns))
    reporter = ConsoleReporter(quiet=False, clock=clock)
    lines_of(reporter)
    reporter.run_started([600.0, 60.0])
    reporter.job_started(job("finetune"), 1, 1)
    clock.now += 20
    reporter.job_progress(job("finetune"), ProgressMessage(done=90, total=400, loss=0.25, validation_loss=0.5, best=80))
    out = io.StringIO()
    reporter.console.file = out
    reporter.console.print(reporter.progress.get_renderable())
    text = re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue())
    rows = text.splitlines()
    assert len(rows) == 2 and all(len(row) <= columns for row in rows)
    assert "whole run" in rows[0] and "job 1 of 2" in rows[0] and "11 min left" in rows[0]
    assert "[1/2] finetune" in rows[1] and "step 90/400" in rows[1] and "9.7 min left" in rows[1]
    assert "val 0.500" in rows[1] and ("loss 0.250 val 0.500 best 80" in rows[1]) == (columns == 120)


def test_the_work_goes_on_when_nobody_reads_the_progress(clock: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    monkeypatch.setattr("olivepress.cli.console.os.dup2", lambda *_: None)
    reporter = ConsoleReporter(quiet=False, clock=clock)
    lines_of(reporter, Closed())
    reporter.begin("measure")
    reporter.end("measured")
    assert reporter.console.quiet


def test_a_bench_knows_what_is_left_after_its_first_model(clock: Time) -> None:
    reporter = ConsoleReporter(quiet=False, clock=clock)
    out = lines_of(reporter)
    progress = BenchProgress(reporter, clock)
    progress.models(["base", "merge", "export-cpu-int4"])
    progress("all", "latency", 0, 16)
    clock.now += 40
    progress("base", "answers", 0, 600)
    assert progress.left is None and progress.text() == ""
    clock.now += 30
    progress("base", "labels", 0, 600)
    clock.now += 30
    progress("merge", "answers", 0, 600)
    assert progress.left == 120.0
    clock.now += 50
    progress("merge", "answers", 300, 600)
    reporter.heartbeat()
    assert out.getvalue().splitlines() == [
        "measure latency, interleaved",
        "[1/3] measure answers, base",
        "[1/3] measure labels, base",
        "[2/3] measure answers, merge",
        "[2/3] measure answers, merge: 300 of 600, 50 s so far, about 50 s left; whole bench: about 70 s left",
    ]
