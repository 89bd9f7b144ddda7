"""The search's grid: which points a recipe gets, and that the installed Olive would run each as written."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from olivepress import pipeline
from olivepress.catalog import grid, targets
from olivepress.measure.machine import fingerprint
from olivepress.search import grid_plan, on_front

Cli = Callable[..., subprocess.CompletedProcess[str]]


def test_a_recipe_gets_what_it_does_not_make_already(project: Path) -> None:
    plan = pipeline.load_plan("tiny-phi")
    assert [job.id for job in plan.jobs if job.kind == "export"] == [
        "export-cpu-fp32", "export-cpu-int4", "export-cuda-int4"
    ]  # fmt: skip
    assert grid()["cpu-grid-int4"].passes == targets()["cpu-int4"].passes  # the centre of the grid
    assert grid()["cpu-grid-int4-gptq-group256"].passes == targets()["cpu-int4-gptq"].passes
    assert grid()["cpu-grid-int4-mixed"].passes == targets()["cpu-int4-mixed"].passes
    made = grid_plan(plan)
    assert made.jobs[: len(plan.jobs)] == plan.jobs
    added = [job.id.removeprefix("export-") for job in made.jobs[len(plan.jobs) :]]
    assert added == [name for name in grid() if name != "cpu-grid-int4"]
    assert all(job.parent == "merge" for job in made.jobs[len(plan.jobs) :])


def test_every_point_differs_from_every_other_and_olive_takes_it(project: Path) -> None:
    points = list(grid().values())
    assert all(a.passes != b.passes for number, a in enumerate(points) for b in points[:number])
    made = grid_plan(pipeline.load_plan("tiny-phi"))
    pipeline.prepare(made)
    pipeline.write_workflows(made)
    pipeline.lint_plan(made)  # raises with what the installed Olive would take and make nothing of


def test_only_what_may_be_shipped_here_is_tuned(project: Path) -> None:
    here = fingerprint().id
    plan = pipeline.load_plan("tiny-phi")

    def candidate(name: str, machine: str, on_front: bool) -> Any:
        return SimpleNamespace(name=f"{name} @ {machine}", on_front=on_front)

    document: Any = SimpleNamespace(decisions=[
        SimpleNamespace(machine=here, candidates=[
            candidate("export-cpu-int4", here, True), candidate("export-cpu-fp32", here, False),
            candidate("merge", here, True),  # nothing that is exported
        ]),
        SimpleNamespace(machine="elsewhere", candidates=[candidate("export-cuda-int4", "elsewhere", True)]),
    ])  # fmt: skip
    assert on_front(document, plan) == {"export-cpu-int4"}


@pytest.mark.parametrize(
    ("model", "change", "says"),
    [
        ("tiny-tasks", "", "packages are not searched, one merged model is; next: olivepress search artifact tiny-t"),
        ("tiny-phi", "cuda-int4", "the grid has nothing for its targets on this machine; it is for CPUExecutionProv"),
    ],
)
def test_what_cannot_be_searched_is_told(project: Path, olivepress: Cli, model: str, change: str, says: str) -> None:
    if change:
        path = project / "recipes" / f"{model}.yaml"
        text = path.read_text().replace("[cpu-fp32, cpu-int4, cuda-int4]", f"[{change}]")
        path.write_text(text.partition("budget:")[0])
    done = olivepress("search", "artifact", model)
    assert done.returncode == 2 and says in done.stderr, done.stderr
    assert done.stderr.count("\n") == 1
