"""The search's grid: which points a recipe gets, and that the installed Olive would run each as written."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from olivepress.catalog import families, grid, targets
from olivepress.catalog.groups import with_group_sizes
from olivepress.core.errors import JobError
from olivepress.data.build import build_dataset
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.render import render
from olivepress.pipeline.search import artifact as search
from olivepress.pipeline.search.artifact import grid_plan
from olivepress.recipe.schema import Recipe, load_recipe
from olivepress.report.machine import fingerprint
from olivepress.run import JobOutcome
from olivepress.workflow.plan import make_plan

Cli = Callable[..., subprocess.CompletedProcess[str]]


def test_a_recipe_gets_what_it_does_not_make_already(project: Path) -> None:
    plan = load_plan("tiny-phi")
    assert [job.id for job in plan.jobs if job.kind == "export"] == [
        "export-cpu-fp32", "export-cpu-int4", "export-cuda-int4"
    ]  # fmt: skip
    assert grid()["cpu-grid-int4"].passes == targets()["cpu-int4-rtn"].passes  # the centre of the grid
    assert grid()["cpu-grid-int4-search"].passes == targets()["cpu-int4-compact"].passes
    assert grid()["cpu-grid-int4-eight-bits"].passes == targets()["cpu-int4"].passes
    made = grid_plan(plan)
    assert made.jobs[: len(plan.jobs)] == plan.jobs
    added = [job.id.removeprefix("export-") for job in made.jobs[len(plan.jobs) :]]
    assert added == [name for name in grid() if name != "cpu-grid-int4-eight-bits"]
    assert all(job.parent == "merge" for job in made.jobs[len(plan.jobs) :])


def test_every_point_differs_from_every_other_and_olive_takes_it(project: Path) -> None:
    points = list(grid().values())
    assert all(a.passes != b.passes for number, a in enumerate(points) for b in points[:number])
    made = grid_plan(load_plan("tiny-phi"))
    render([made])  # raises with what the installed Olive would accept and ignore


@pytest.mark.parametrize("model", ["Qwen/Qwen2.5-0.5B-Instruct", "microsoft/Phi-4-mini-instruct"])
def test_no_artifact_is_made_twice_under_two_names(project: Path, model: str) -> None:
    config = next(family.models[model] for family in families().values() if model in family.models).config
    recipe = load_recipe(project / "recipes" / "smollm.yaml").model_dump(mode="json") | {"model": {"path": model}}
    read = Recipe.model_validate_json(json.dumps(recipe | {"name": "any"}))
    made = grid_plan(make_plan(read, build_dataset(read.data)))
    passes = [with_group_sizes(job.target.passes, config) for job in made.jobs if job.target]
    alike = [a == b for number, a in enumerate(passes) for b in passes[:number]]
    assert len(passes) > 10 and not any(alike)
    # Rows of 896 have no groups of 256.
    both = {"export-cpu-grid-int4-gptq", "export-cpu-grid-int4-gptq-group256"}
    assert len(both & {job.id for job in made.jobs}) == (2 if config["hidden_size"] % 256 == 0 else 1)


def test_what_was_tuned_here_stays_and_what_cannot_be_is_told(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = load_plan("tiny-phi")
    tuned = list[str]()

    def tune(directory: Path, **_: object) -> None:
        tuned.append(directory.name)
        if directory.name == "export-cpu-int4":
            raise JobError("does not fit", next_step="--budget 90")

    record = SimpleNamespace(machine=SimpleNamespace(id=fingerprint().id))
    monkeypatch.setattr(search, "tune", tune)
    monkeypatch.setattr(search, "not_measured_here", lambda plan: {"export-cuda-int4": "no GPU"})
    monkeypatch.setattr(search, "read_tuning", lambda path: record if path.name == "export-cpu-fp32" else None)
    said = search._tune_all(plan, 5.0, lambda *_: None)
    assert tuned == ["export-cpu-int4"]
    assert said == ["not tuned: export-cpu-int4: does not fit; next: --budget 90"]


@pytest.mark.parametrize(
    ("model", "change", "says"),
    [
        ("tiny-tasks", "", "packages cannot be searched, only one merged model; next: olivepress search artifact"),
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


@pytest.mark.parametrize(("failed", "code"), [("export-cpu-grid-int4", 0), ("export-cpu-int4", 6)])
def test_a_target_of_the_recipe_that_fails_is_a_failure_a_point_of_the_grid_is_a_result(
    project: Path, monkeypatch: pytest.MonkeyPatch, olivepress_here: Cli, failed: str, code: int
) -> None:
    outcome = JobOutcome(job=failed, state="failed", error=JobError("does not load", next_step="another target"))
    monkeypatch.setattr(search, "run", lambda plan, **_: [(plan, outcome)])
    for name in ("bench_plan", "report_paths", "record_artifacts"):
        monkeypatch.setattr(search, name, lambda *_, **__: [])
    monkeypatch.setattr(search, "report", lambda *_, **__: SimpleNamespace(document=None, files={"html": "page.html"}))
    monkeypatch.setattr("olivepress.cli.verbs.search.artifact.print_document", lambda *_: None)
    done = olivepress_here("search", "artifact", "tiny-phi", "--budget", "0", "--quiet")
    assert done.returncode == code and f"not built: {failed}: does not load" in done.stderr
    assert "page: page.html" in done.stdout
