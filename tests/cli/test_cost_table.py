"""Tables of what jobs take: before a run, and after it beside what was measured."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from olivepress.cli import cost_table
from olivepress.cli.cost_table import measured_lines, plan_lines, size_text
from olivepress.cli.verbs.run import run_record
from olivepress.core.artifact import Resources
from olivepress.core.pace import duration
from olivepress.pipeline.plan import load_plan
from olivepress.run import JobOutcome, Outlook, costs
from olivepress.workflow import estimate as estimates
from olivepress.workflow.estimate import Need
from olivepress.workflow.machine_rates import rates_of


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "1.5 min"), (750, "12 min"), (5400, "1.5 h"), (48 * 3600, "2.0 days")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(("size", "text"), [(None, "-"), (21e6, "21 MB"), (1e8, "0.1 GB"), (15.34e9, "15.3 GB")])
def test_sizes(size: int | None, text: str) -> None:
    assert size_text(size) == text


@pytest.fixture
def known_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "machine_rates", lambda: rates_of(1.0e11, bfloat16=True))


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal of 40 columns."""
    monkeypatch.setattr(cost_table, "_terminal_width", lambda: 40)


def test_a_plan_fits_a_terminal(project: Path, known_rates: None) -> None:
    plan = load_plan("phi")
    states = {job.id: Outlook(state="run") for job in plan.jobs} | {"finetune": Outlook(state="kept")}
    lines = list(plan_lines(plan, states))
    assert len(lines) == len(plan.jobs) + 2 and max(map(len, lines)) <= 80
    assert lines[0].split() == ["job", "memory", "disk", "time", "here"]
    assert lines[1].startswith("finetune ") and lines[1].endswith("kept") and lines[2].endswith("runs")
    assert lines[-1].startswith("total ") and " h" in lines[-1]


def test_a_narrow_terminal_gets_lines_below_each_name(project: Path, known_rates: None, narrow: None) -> None:
    plan = load_plan("tiny-phi")
    lines = list(plan_lines(plan, {job.id: Outlook(state="run") for job in plan.jobs}))
    assert max(map(len, lines)) <= 40
    assert lines[0] == "finetune" and lines[1].startswith("  memory ") and lines[4] == "  here runs"
    assert lines[-4] == "total" and lines[-1].startswith("  time ")


def outcome(job: str, state: Any = "done", **resources: float) -> JobOutcome:
    manifest = SimpleNamespace(
        resources=Resources.model_validate({"peak_disk_bytes": None, **resources}),
        checks=(),
        model_dump=lambda mode: {"job": job},
    )
    return JobOutcome(job=job, state=state, manifest=manifest)  # type: ignore[arg-type]


@pytest.fixture
def estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {"finetune": (4_900_000_000, 660.0), "merge": (1_200_000_000, 60.0)}

    def need(plan: object, job: SimpleNamespace) -> Need:
        memory, seconds = wanted.get(job.id, (1, 1.0))
        return Need(memory_bytes=memory, disk_bytes=0, seconds=seconds)

    monkeypatch.setattr(costs, "need", need)
    monkeypatch.setattr(estimates, "need", need)


FINETUNE = outcome("finetune", seconds=750.0, peak_memory_bytes=4_787_077_120)
MERGE = outcome("merge", seconds=45.0, peak_memory_bytes=None)


def test_what_jobs_took_beside_what_was_estimated(project: Path, estimated: None) -> None:
    plan = load_plan("tiny-phi")
    done = [(plan, FINETUNE), (plan, MERGE), (plan, JobOutcome(job="export-cpu-int4", state="failed"))]
    *table, error = list(measured_lines(done))
    assert [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in table] == [
        ["job", "time", "estimated", "memory", "estimated"],
        ["finetune", "12 min", "11 min", "4.8 GB", "4.9 GB"],
        ["merge", "45 s", "60 s", "-", "1.2 GB"],
        ["total", "13 min", "12 min", "4.8 GB", "4.9 GB"],
    ]
    assert error == (
        "estimates of the 2 jobs that ran: time 9 % too low, at worst 33 % too high (merge), "
        "memory at worst 2 % too high (finetune)"
    )
    assert list(measured_lines(done[2:])) == []


def test_jobs_that_were_kept_say_nothing_of_the_estimates(project: Path, estimated: None) -> None:
    plan = load_plan("tiny-phi")
    kept = outcome("merge", "kept", seconds=3000.0, peak_memory_bytes=1)
    assert [line.split() for line in measured_lines([(plan, kept)])] == [
        ["job", "time", "memory"],
        ["merge", "50", "min", "0", "MB"],
        ["total", "50", "min", "0", "MB"],
    ]
    assert "time 12 % too low, memory" in list(measured_lines([(plan, kept), (plan, FINETUNE)]))[-1]


def test_the_same_as_json(project: Path, estimated: None) -> None:
    plan = load_plan("tiny-phi")
    record = json.loads(json.dumps(run_record([(plan, FINETUNE), (plan, MERGE)])))
    assert [job["job"] for job in record["jobs"]] == ["finetune", "merge"]
    assert record["jobs"][1]["estimated"] == {"memory_bytes": 1_200_000_000, "disk_bytes": 0, "seconds": 60}
    assert record["total"]["estimated"]["seconds"] == 720
    assert record["total"]["resources"] == {"seconds": 795, "peak_memory_bytes": 4_787_077_120, "peak_disk_bytes": None}
    error = record["estimate_error"]
    assert error["seconds"] == pytest.approx(720 / 795 - 1) and error["worst_seconds"][0] == "merge"
    assert run_record([(plan, JobOutcome(job="merge", state="failed"))])["estimate_error"] is None


def test_jobs_of_several_adapters_have_their_names(project: Path, estimated: None) -> None:
    plan = load_plan("tiny-tasks")
    done = [(one, outcome("merge", seconds=1.0, peak_memory_bytes=1)) for one in plan.members.values()]
    names = [line.split()[0] for line in measured_lines(done)]
    assert names == ["job", *(f"tiny-tasks.{name}/merge" for name in plan.members), "total", "estimates"]
