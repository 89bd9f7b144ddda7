"""The options of a cluster: what does not fit together is one line, before anything is read or written."""

from __future__ import annotations

import io
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from olivepress.cli.cluster_progress import ClusterProgress
from olivepress.cli.console import ConsoleReporter

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--engine", "dask"], 2, "expected --scheduler ADDRESS"),
        (["--scheduler", "127.0.0.1:8786"], 2, "--scheduler is for --engine dask"),
        (["--on", "merge=lab"], 2, "--on is for --engine dask"),
        (["--insecure"], 2, "--insecure is for --engine dask"),
        (["--engine", "dask", "--scheduler", "10.0.0.5:8786"], 2, "without TLS, everybody"),
        (["--engine", "dask", "--scheduler", "tls://10.0.0.5:8786"], 2, "needs certificates"),
        (["--engine", "dask", "--scheduler", "10.0.0.5:8786", "--insecure"], 2, "--store: workers on other machines"),
        (["--engine", "dask", "--scheduler", "127.0.0.1:9"], 7, "no scheduler answers"),
        (["--engine", "dask", "--scheduler", "127.0.0.1:9", "--on", "merge"], 2, "expected JOB=LABEL"),
        (["--engine", "dask", "--scheduler", "127.0.0.1:9", "--store", "s3://k:s@b/x"], 2, "contains a password"),
    ],
)
def test_one_line(project: Path, olivepress_here: Run, options: list[str], code: int, text: str) -> None:
    done = olivepress_here("run", "tiny-phi", *options)
    assert done.returncode == code, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("olivepress: ")]
    assert text in line
    assert not Path("runs", "tiny-phi").exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ([], "2 recipes were given: they run together with --engine dask"),
        (["--engine", "dask", "--job", "merge"], "--job is for one recipe, not 2"),
        (["--engine", "dask", "--data", "rows.jsonl"], "--data is for one recipe, not 2"),
    ],
)
def test_several_recipes(project: Path, olivepress_here: Run, options: list[str], text: str) -> None:
    done = olivepress_here("run", "tiny-phi", "tiny-llama", *options)
    assert done.returncode == 2 and text in done.stderr
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--tune", "--engine", "dask"], "--tune is for a bench on this machine"),
        (["--store", "x"], "--store is for --engine dask"),
        (["--engine", "dask"], "expected --scheduler ADDRESS"),
    ],
)
def test_a_bench_elsewhere(project: Path, olivepress_here: Run, options: list[str], text: str) -> None:
    done = olivepress_here("bench", "tiny-phi", *options)
    assert done.returncode == 2 and text in done.stderr


def test_a_worker_is_refused_an_open_scheduler(project: Path, olivepress_here: Run) -> None:
    done = olivepress_here("worker", "--scheduler", "tcp://10.0.0.5:8786")
    assert done.returncode == 2 and "without TLS" in done.stderr
    assert not Path(".worker").exists()


def lines_of(capsys: pytest.CaptureFixture[str], events: list[Mapping[str, Any]]) -> list[str]:
    now = [0.0]
    reporter = ConsoleReporter(quiet=False, clock=lambda: now[0])
    with reporter, ClusterProgress(reporter, clock=lambda: now[0]) as progress:
        progress.expected({"phi/merge": 90.0})
        progress.submitted("phi/merge")
        for event in events:
            progress.event(event)
        now[0] = 60.0
        progress.tick()
        progress.ended("phi/merge", "done", "lab", "")
    return capsys.readouterr().err.splitlines()


def test_what_a_worker_says_of_its_end_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    with ConsoleReporter(quiet=False) as reporter, ClusterProgress(reporter) as progress:
        progress.submitted("phi/merge")
        progress.ended("phi/merge", "failed", "lab\x1b[2J", "row 3:\x1b[31m [/x]\nnot JSON")
    (line,) = capsys.readouterr().err.splitlines()
    assert "\x1b" not in line and line.endswith(r"row 3:\x1b[31m [/x] not JSON")


def test_progress_names_job_machine_elapsed_and_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    started = {"job": "phi/merge", "machine": "lab", "event": "started"}
    step = {"job": "phi/merge", "machine": "lab", "event": "progress", "stage": "Olive", "done": 3, "total": 9}
    lines = lines_of(capsys, [started, step])
    assert lines[0].startswith("phi/merge: started on lab, about 1")
    assert lines[1].startswith("phi/merge: lab, Olive, 3 of 9, ") and "so far of about" in lines[1]
    assert lines[2].startswith("phi/merge: done on lab (")


def test_a_job_that_is_done_again_after_a_kill_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """Dask gives the job of a killed worker to another one by itself."""
    events = [{"job": "phi/merge", "machine": machine, "event": "started"} for machine in ("lab", "attic")]
    lines = lines_of(capsys, events)
    assert lines[0].startswith("phi/merge: started on lab, about 1")
    assert lines[1].startswith("phi/merge: started again on attic, about 1") and lines[1].endswith(
        "; lab did not finish it"
    )


def test_what_workers_say_is_foreign_text(capsys: pytest.CaptureFixture[str]) -> None:
    events: list[Mapping[str, Any]] = [
        {"job": "phi/merge", "event": "started", "machine": "\x1b[31mlab[/]" + "x" * 10_000},
        {"job": "phi/merge", "event": "progress", "done": "many", "total": [], "loss": {}},
        {"job": "unknown", "event": "started"},
        {"event": None, "job": {"a": 1}},
        {"job": "phi/merge", "note": 7},
    ]
    lines = lines_of(capsys, events)
    assert not any("\x1b" in line for line in lines)
    assert all(len(line) < 1000 for line in lines)


def test_on_a_terminal_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """Square brackets are no markup of ours, which may not even be well-formed."""
    screen, now = io.StringIO(), [0.0]
    reporter = ConsoleReporter(quiet=False, clock=lambda: now[0])
    monkeypatch.setattr(reporter, "console", Console(file=screen, force_terminal=True, width=200))
    reporter.live = True
    with ClusterProgress(reporter, clock=lambda: now[0]) as progress:
        progress.expected({})
        progress.submitted("phi/merge")
        progress.event({"job": "phi/merge", "event": "started", "machine": "lab [/no markup]"})
        progress.event({"job": "phi/merge", "event": "progress", "stage": "rows [1/3]"})
        now[0] = 60.0
        progress.tick()
        progress._progress.refresh()
    assert "lab [/no markup], rows [1/3]" in screen.getvalue()
