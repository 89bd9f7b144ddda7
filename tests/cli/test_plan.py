"""``olivepress plan``: what this machine will do, in words and as JSON, and the next command."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from olivepress.cli.ahead_text import ahead_lines
from olivepress.cli.plans import measure_once
from olivepress.cli.verbs.plan import _next_step
from olivepress.pipeline.plan import Ahead, load_plan
from olivepress.run import Outlook
from olivepress.workflow import machine_rates
from olivepress.workflow.machine_rates import MachineRates

Cli = Callable[..., subprocess.CompletedProcess[str]]


def ahead(**states: Outlook) -> Ahead:
    """Of tiny-phi: everything runs but what is given, by the end of the job's name."""
    plan = load_plan("tiny-phi")
    known = {job.id: Outlook(state="run") for job in plan.jobs}
    known |= {job.id: state for job in plan.jobs for end, state in states.items() if job.id.endswith(end)}
    return Ahead(jobs=[(plan, job, known[job.id]) for job in plan.jobs])


KEPT = Outlook(state="kept")
CANNOT = Outlook(state="cannot", reason="environment cuda has not been created", next_step="olivepress env create cuda")


@pytest.fixture
def rates(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def are(**changes: float | None) -> None:
        measured = MachineRates(float32_flops=1e11, bfloat16_flops=1e11, measured_at=1.0).model_copy(update=changes)
        monkeypatch.setattr("olivepress.cli.ahead_text.machine_rates", lambda: measured)

    are()
    return are


def test_what_this_machine_will_do(project: Path, rates: Callable[..., None]) -> None:
    some = ahead(finetune=KEPT, merge=KEPT, fp32=CANNOT, int4=CANNOT)
    lines = list(ahead_lines(some))
    assert lines == [
        "this machine: 2 kept, 3 cannot run",
        "  cannot run: export-cpu-fp32, export-cpu-int4, export-cuda-int4: environment cuda has not been created; "
        "next: olivepress env create cuda",
    ]
    lines = list(ahead_lines(ahead(finetune=KEPT, fp32=CANNOT)))
    assert lines[0] == "this machine: 1 kept, 3 to run, 1 cannot run"
    assert lines[1].startswith("to run: about ") and "GB of memory (of " in lines[1] and "free)" in lines[1]
    assert len(lines) == 3
    assert list(ahead_lines(ahead(finetune=KEPT, merge=KEPT, fp32=KEPT, int4=KEPT))) == ["this machine: 5 kept"]


def test_a_busy_or_unmeasured_machine_is_named(project: Path, rates: Callable[..., None]) -> None:
    rates(other_load=0.62)
    assert list(ahead_lines(ahead()))[-1].endswith("other programs took 62 % of it when measured")
    rates(measured_at=None)
    assert list(ahead_lines(ahead()))[-1].startswith("times are rough: this machine was not measured")


def test_a_disk_that_is_too_small_for_all_jobs_together(
    project: Path, rates: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("olivepress.cli.ahead_text.shutil.disk_usage", lambda path: SimpleNamespace(free=1000))
    assert any(line.startswith("the disk is too small for all of it") for line in ahead_lines(ahead()))


def test_the_next_command(project: Path) -> None:
    assert _next_step(ahead(), "tiny-phi", None) == "olivepress run tiny-phi"
    assert _next_step(ahead(fp32=CANNOT), "tiny-phi", "a.csv") == "olivepress run tiny-phi --data a.csv --keep-going"
    kept = ahead(finetune=KEPT, merge=KEPT, fp32=KEPT, int4=KEPT)
    assert _next_step(kept, "tiny-phi", None) == "olivepress bench tiny-phi"
    (project / "Makefile").write_text("# olivepress: a clone\n")
    assert _next_step(ahead(fp32=CANNOT), "phi", None) == "make run MODEL=phi OPTIONS=--keep-going"


def test_json_has_the_same(project: Path, olivepress_here: Cli) -> None:
    done = olivepress_here("plan", "tiny-tasks", "--json")
    record = json.loads(done.stdout)
    assert len(record["members"]) == 3 and record["machine"]["memory_bytes"] > 1e8
    jobs = [job for each in [record, *record["members"]] for job in each["jobs"]]
    assert {job["state"] for job in jobs} == {"run"}
    assert record["to_run"]["seconds"] == pytest.approx(sum(job["seconds"] for job in jobs), abs=len(jobs))
    assert record["to_run"]["disk_bytes"] >= max(job["disk_bytes"] for job in jobs)


def test_the_machine_is_measured_once(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured: list[bool] = []
    monkeypatch.setattr(machine_rates, "measure_machine", lambda: measured.append(True))
    measure_once(quiet=False)
    monkeypatch.setattr(machine_rates, "is_measured", lambda: False)
    measure_once(quiet=True)
    assert measured == [True] and capsys.readouterr().err == ""
    measure_once(quiet=False)
    assert "measuring this machine, once" in capsys.readouterr().err
