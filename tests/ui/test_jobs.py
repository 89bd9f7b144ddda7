"""The state of each job, from what a run leaves behind at any moment."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from olivepress.core.jsonl import append_json_line
from olivepress.core.layout import journal, recipe_runs
from olivepress.core.process import exclusive
from olivepress.ui.jobs import RecipeView, recipe_view, recipes
from olivepress.ui.places import NotHereError
from tests.ui.project import ESTIMATED, RECIPE, event, write_artifact


def states(view: RecipeView) -> dict[str, str]:
    return {job.name: job.state for job in view.jobs}


def test_nothing_was_run() -> None:
    assert recipes() == []
    with pytest.raises(NotHereError):
        recipe_view(RECIPE)


def test_every_state() -> None:
    for job in ("finetune", "merge", "export-a", "export-b", "export-c", "export-d"):
        event("started", job, estimated=ESTIMATED)
    for job in ("finetune", "merge", "export-b"):
        event("finished", job)
    event("failed", "export-a", reason="check placed failed")
    event("passed over", "export-c", reason="check kl_answer failed")
    write_artifact("finetune")
    write_artifact("merge")
    Path("runs/lamps/merge/manifest.json").write_text("{")
    Path("olive_configs/lamps").mkdir(parents=True)
    for name in ("finetune.yaml", "export-e.yaml", "other.yaml", "cpu-package.json"):
        Path("olive_configs/lamps", name).touch()
    view = recipe_view(RECIPE)
    assert states(view) == {
        "finetune": "finished",
        "merge": "unreadable",
        "export-a": "failed",
        "export-b": "removed",
        "export-c": "passed over",
        "export-d": "stopped",
        "export-e": "not run",
    }
    by_name = {job.name: job for job in view.jobs}
    assert list(by_name)[:2] == ["finetune", "merge"] and recipes() == [RECIPE]
    assert by_name["export-a"].reason == "check placed failed" and "not a valid manifest" in by_name["merge"].reason
    assert by_name["finetune"].manifest is not None and view.finished == 1 and view.failed == 2
    assert (view.running, view.active) == (False, None)


def test_a_job_runs_while_its_process_holds_the_lock() -> None:
    event("started", "finetune", estimated=ESTIMATED)
    with exclusive(recipe_runs(RECIPE)):
        view = recipe_view(RECIPE)
        assert view.running and view.active is not None and view.active.name == "finetune"
        assert view.active.estimated is not None and view.active.estimated.seconds == 120.0
    assert states(recipe_view(RECIPE)) == {"finetune": "stopped"}
    event("interrupted", "finetune")
    assert states(recipe_view(RECIPE)) == {"finetune": "stopped"}


def test_a_second_try_forgets_the_first() -> None:
    event("started", "export-a", estimated=ESTIMATED)
    event("failed", "export-a", reason="disk full")
    event("started", "export-a")
    event("finished", "export-a")
    write_artifact("export-a")
    (job,) = recipe_view(RECIPE).jobs
    assert (job.state, job.reason, job.estimated) == ("finished", "", None)


def test_a_journal_that_nobody_of_ours_wrote() -> None:
    path = journal(RECIPE)
    append_json_line(path, {"event": "started", "job": "../../etc", "key": "k", "at": "now"})
    append_json_line(path, {"event": "started", "job": 7, "key": "k"})
    append_json_line(path, {"event": "melted", "job": "merge", "key": "k", "at": 3, "reason": ["x"]})
    append_json_line(
        path, {"event": "started", "job": "finetune", "key": "k", "at": "x", "estimated": {"seconds": "1"}}
    )
    with path.open("a") as file:
        file.write('{"event": "finished", "job": "fine')
    (finetune, merge) = recipe_view(RECIPE).jobs
    assert (finetune.state, finetune.started_at, finetune.estimated) == ("stopped", None, None)
    assert merge.state == "not run"


def test_a_folder_that_leads_out_is_not_named(tmp_path: Path) -> None:
    event("started", "finetune")
    (tmp_path / "elsewhere/logs").mkdir(parents=True)
    (tmp_path / "elsewhere/journal.jsonl").write_text(json.dumps({"event": "started", "job": "merge", "key": "k"}))
    Path("runs/out").symlink_to(tmp_path / "elsewhere")
    Path("runs/.hidden").mkdir()
    assert recipes() == [RECIPE]
    with pytest.raises(NotHereError):
        recipe_view("out")


def test_runs_may_be_on_another_disk(tmp_path: Path) -> None:
    (tmp_path / "large").mkdir()
    Path("runs").symlink_to(tmp_path / "large")
    event("started", "finetune")
    assert recipes() == [RECIPE] and states(recipe_view(RECIPE)) == {"finetune": "stopped"}


def test_a_bench_is_seen() -> None:
    event("started", "finetune")
    session = Path("benchmarks/results/box", RECIPE, ".bench-session-0123")
    with exclusive(session):
        assert recipe_view(RECIPE).measuring
    assert not recipe_view(RECIPE).measuring
    os.remove(session / ".lock")  # noqa: PTH107
    assert not recipe_view(RECIPE).measuring
