"""Tables of what jobs take: before a run, and after it beside what was measured."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from olivepress.cli import cost_table
from olivepress.cli.cost_table import duration, measured_lines, plan_lines
from olivepress.core.artifact import Resources
from olivepress.pipeline.plan import load_plan
from olivepress.run import JobOutcome
from olivepress.workflow import estimate as estimates
from olivepress.workflow.estimate import Need


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (89, "89 s"), (90, "1.5 min"), (750, "12 min"), (5400, "1.5 h"), (48 * 3600, "2.0 days")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_a_plan_fits_a_terminal(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimates, "machine_rate", lambda: 1.0e11)
    plan = load_plan("phi")
    lines = list(plan_lines(plan))
    assert len(lines) == len(plan.jobs) + 2 and max(map(len, lines)) <= 80
    assert lines[0].split() == ["job", "memory", "disk", "time", "runs", "on"]
    assert lines[1].startswith("finetune ") and lines[1].endswith("this machine")
    assert lines[-1].startswith("total ") and " h" in lines[-1]


def outcome(job: str, **resources: float) -> JobOutcome:
    manifest = SimpleNamespace(resources=Resources.model_validate({"peak_disk_bytes": None, **resources}))
    return JobOutcome(job=job, state="done", manifest=manifest)  # type: ignore[arg-type]


def test_what_jobs_took_beside_what_was_estimated(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {"finetune": (4_900_000_000, 660.0), "merge": (1_200_000_000, 44.0)}

    def estimated(plan: object, job: SimpleNamespace) -> Need:
        memory, seconds = wanted[job.id]
        return Need(memory_bytes=memory, disk_bytes=0, seconds=seconds)

    monkeypatch.setattr(cost_table, "need", estimated)
    plan = load_plan("tiny-phi")
    done = [
        (plan, outcome("finetune", seconds=750.0, peak_memory_bytes=4_787_077_120)),
        (plan, outcome("merge", seconds=45.0, peak_memory_bytes=None)),
        (plan, JobOutcome(job="export-cpu-int4", state="failed")),
    ]
    lines = [line.split("  ") for line in measured_lines(done)]
    assert [[cell.strip() for cell in line if cell.strip()] for line in lines] == [
        ["job", "time", "estimated", "memory", "estimated"],
        ["finetune", "12 min", "11 min", "4.8 GB", "4.9 GB"],
        ["merge", "45 s", "44 s", "-", "1.2 GB"],
        ["total", "13 min", "12 min"],
    ]
    assert list(measured_lines(done[2:])) == []


def test_jobs_of_several_adapters_have_their_names(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cost_table, "need", lambda plan, job: Need(memory_bytes=1, disk_bytes=1, seconds=1.0))
    plan = load_plan("tiny-tasks")
    done = [(one, outcome("merge", seconds=1.0, peak_memory_bytes=1)) for one in plan.members.values()]
    names = [line.split()[0] for line in measured_lines(done)]
    assert names == ["job", *(f"tiny-tasks.{name}/merge" for name in plan.members), "total"]
