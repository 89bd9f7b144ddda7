"""What goes wrong around a search: kills, files that are gone, results of earlier studies, a clock that jumps."""

from __future__ import annotations

import contextlib
import datetime
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import SetupError
from olivepress.core.layout import CONFIGS, RUNS, STUDIES, STUDY_LOCKS, recipe_runs
from olivepress.pipeline.search import finalists
from olivepress.pipeline.search import finetune as module
from olivepress.pipeline.search import result as result_module
from olivepress.pipeline.search import trial as trial_module
from olivepress.pipeline.search.finetune import load_searched, search_finetune
from olivepress.pipeline.search.result import answer, write_result
from olivepress.study import storage as storage_module
from olivepress.study.storage import Study
from olivepress.study.trials import Point, enqueue
from tests.pipeline.search.stand_in import SEARCH, Quiet, scores_of, stand_in_run, write_recipe


@pytest.fixture(autouse=True)
def no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial_module, "run", stand_in_run())
    monkeypatch.setattr(finalists, "score_test_rows", scores_of)


def leave_dead(study: Study, run: str, attempt: int, rate: float) -> None:
    """A trial whose process was killed while it ran, and the files that it had until then."""
    enqueue(study, Point(params={"learning_rate": rate, "r": 4}), attempt=attempt, run=run)
    while study.ask().user_attrs.get("run") != run:
        pass
    for path in (".training/finetune-1/checkpoint-5/weights.safetensors", ".work/x", "logs/finetune.log"):
        file = recipe_runs(run) / path
        file.parent.mkdir(parents=True)
        file.write_text("of a killed process")
    (CONFIGS / run).mkdir(parents=True)
    (STUDY_LOCKS / run).mkdir(parents=True)


def test_a_trial_that_is_killed_twice_leaves_its_log_only(project: Path) -> None:
    write_recipe(project)
    study = module.begin(load_searched("t"), reporter=Quiet()).study()
    leave_dead(study, "t.s1-trial-90", 2, 3e-4)
    reporter = Quiet()
    decision = search_finetune(load_searched("t"), reporter=reporter)
    dead = next(trial for trial in decision.stages["trials"].trials if trial.state == "killed" and trial.counted)
    assert dead.reason == "its process was killed twice" and dead.params["learning_rate"] == 3e-4
    kept = [path for path in recipe_runs("t.s1-trial-90").rglob("*") if path.is_file()]
    assert kept == [recipe_runs("t.s1-trial-90") / "logs" / "finetune.log"]
    assert not (CONFIGS / "t.s1-trial-90").exists() and not list(STUDY_LOCKS.glob("t.s1-*"))


def test_a_trial_that_is_killed_once_goes_on_with_its_files_and_counts_once(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_recipe(project)
    study = module.begin(load_searched("t"), reporter=Quiet()).study()
    leave_dead(study, "t.s1-trial-90", 1, 3e-4)
    seen = dict[str, bool]()

    def look(plan: Any) -> None:
        seen[plan.recipe.name] = (recipe_runs(plan.recipe.name) / ".training" / "finetune-1").is_dir()

    monkeypatch.setattr(trial_module, "run", stand_in_run(look))
    reporter = Quiet()
    decision = search_finetune(load_searched("t"), reporter=reporter)
    assert seen["t.s1-trial-90"] and not list(RUNS.glob("t.s1-*/.training"))
    trials = decision.stages["trials"].trials
    assert sum(trial.counted for trial in trials) == 8
    numbers = [text.split(":")[0] for text in reporter.ended if text.startswith("trial ")]
    assert numbers[-1] == "trial 8 of 8" and len(set(numbers)) == len(numbers)


def test_the_winner_of_an_earlier_study_does_not_pass_for_todays(project: Path) -> None:
    write_recipe(project)
    first = write_result(search_finetune(load_searched("t"), reporter=Quiet()))
    assert first.written is not None and first.set_aside is None
    text = first.written.recipe.read_text()
    write_recipe(project, SEARCH | {"r": {"choices": [4, 16]}, "trials": 4}, learning_rate=1.0e-3, r=16)
    second = write_result(search_finetune(load_searched("t"), reporter=Quiet(), new=True))
    assert second.written is None and second.set_aside == Path("recipes/t-best.yaml.old")
    assert second.set_aside.read_text() == text and not Path("recipes/t-best.yaml").exists()
    assert not (CONFIGS / "t-best").exists()


def test_a_winner_that_is_shown_to_be_worse_is_not_written(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def worse(_searched: Any, plan: Any, _reporter: Any) -> dict[str, float]:
        good = plan.recipe.finetune.learning_rate == 1e-5  # the default's
        return {f"row-{number}": float(good) for number in range(40)}

    write_recipe(project)
    monkeypatch.setattr(finalists, "score_test_rows", worse)
    decision = search_finetune(load_searched("t"), reporter=Quiet())
    assert decision.verdict is not None and decision.verdict.call == "worse"
    assert "So no recipe is written." in list(answer(decision))
    assert write_result(decision).written is None and result_module.result_record(decision, None)["best_recipe"] is None


def test_a_run_that_is_removed_fails_its_trial_only(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, removed = stand_in_run(), list[str]()

    def run(plan: Any, **options: Any) -> Any:
        outcomes = whole(plan, **options)
        if not removed:
            removed.append(plan.recipe.name)
            shutil.rmtree(recipe_runs(plan.recipe.name))
        return outcomes

    write_recipe(project)
    monkeypatch.setattr(trial_module, "run", run)
    decision = search_finetune(load_searched("t"), reporter=Quiet())
    states = [trial.state for trial in decision.stages["trials"].trials]
    assert states.count("failed") == 1 and len(states) == 8
    reason = decision.stages["trials"].trials[0].reason
    assert reason == (
        "runs/t.s1-trial-0/finetune/training.jsonl: was removed while its trial ran; next: the same command goes on"
    )


def test_a_database_that_is_locked_meanwhile_fails_no_trial(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, locked = stand_in_run(), list[str]()

    def run(plan: Any, **options: Any) -> Any:
        with contextlib.closing(sqlite3.connect(STUDIES, isolation_level=None)) as database:
            if plan.recipe.name == "t.s1-trial-2" and not locked:
                locked.append(plan.recipe.name)
                database.execute("BEGIN IMMEDIATE")
            return whole(plan, **options)

    monkeypatch.setattr(storage_module, "_BUSY_S", 0.2)
    monkeypatch.setattr(trial_module, "run", run)
    write_recipe(project)
    with pytest.raises(SetupError, match=r"^studies.db: another process has locked it; .* the same command goes on$"):
        search_finetune(load_searched("t"), reporter=Quiet())
    trials = search_finetune(load_searched("t"), reporter=Quiet()).stages["trials"].trials
    assert (trials[2].state, trials[3].repeats, trials[3].state) == ("killed", 2, "finished")
    assert sum(trial.counted for trial in trials) == 8 and "failed" not in {trial.state for trial in trials}


def test_a_clock_that_jumps_back_changes_nothing(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Backwards(datetime.datetime):
        jumps = 0

        @classmethod
        def now(cls, tz: Any = None) -> datetime.datetime:
            cls.jumps += 1
            return datetime.datetime(2026, 1, 1) - datetime.timedelta(hours=cls.jumps)

    write_recipe(project)
    straight = search_finetune(load_searched("t"), reporter=Quiet())
    monkeypatch.setattr("optuna.storages._rdb.storage.datetime", Backwards)
    write_recipe(project, name="u")
    back = search_finetune(load_searched("u"), reporter=Quiet())
    assert Backwards.jumps > 16 and back.winner == straight.winner and back.verdict == straight.verdict
    assert [trial.params for trial in back.stages["trials"].trials] == [
        trial.params for trial in straight.stages["trials"].trials
    ]
    assert all((trial.seconds or 0.0) >= 0 for trial in back.stages["trials"].trials)
