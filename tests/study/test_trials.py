"""Trials that several processes take: none twice, none lost, and what was killed is tried once more."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import SetupError
from olivepress.core.jsonl import append_json_line
from olivepress.core.layout import STUDIES, STUDY_LOCKS, training_dir
from olivepress.recipe.finetune import Finetune
from olivepress.recipe.search import Search
from olivepress.study import storage as storage_module
from olivepress.study.objective import TrialWatch
from olivepress.study.page import state_words
from olivepress.study.proposals import next_of_grid, propose
from olivepress.study.results import study_record
from olivepress.study.space import encode, same, suggest
from olivepress.study.storage import Study, create, latest, numbered, open_storage, storage_errors
from olivepress.study.trials import (
    Claim,
    Point,
    claimed,
    ended_runs,
    enqueue,
    failed_trials,
    finish,
    give_up,
    put_back,
    spent,
)

FINETUNE = Finetune()
SIZE = 6
TPE = Search.model_validate_json(
    json.dumps(
        {
            "trials": SIZE,
            "r": {"low": 4, "high": 16, "step": 4},
            "batch_size": {"choices": [8, 16, 32]},
            "learning_rate": {"choices": [1e-4, 1e-3]},
        }
    )
)


def open_study(name: str = "t/finetune.1") -> Study:
    return create(open_storage(), name, ["minimize"], {"space": "x"})


def following(study: Study) -> Point | None:
    proposed = propose(study, TPE, FINETUNE)
    return None if proposed is None else Point(params=proposed[1], drawn=proposed[0])


def is_over(study: Study) -> bool:
    return spent(study.get_trials(deepcopy=False))[0] >= (TPE.trials or 0)


def take(study: Study, next_point: Callable[[Study], Point | None] = following) -> Any:
    return claimed(
        study,
        next_point,
        is_over=is_over,
        run_name=lambda number: f"t.s1-trial-{number}",
        draw=lambda trial: suggest(trial, TPE, FINETUNE),
    )


def run_all(study: Study) -> list[Claim]:
    claims = []
    while True:
        with take(study) as claim:
            if claim is None:
                return claims
            claims.append(claim)
            finish(claim, [float(claim.params["r"])], seconds=1.5)


def test_the_budget_ends_it_and_no_point_is_tried_twice(project: Path) -> None:
    study = open_study()
    claims = run_all(study)
    assert len(claims) == SIZE
    assert len({same(claim.params) for claim in claims}) == SIZE
    assert all(suggest(claim.trial, TPE, FINETUNE) == claim.params for claim in claims)
    assert spent(study.get_trials()) == (SIZE, 1.5 * SIZE)
    assert study.best_value == min(float(claim.params["r"]) for claim in claims)
    assert not list(STUDY_LOCKS.glob("t.*"))


def test_the_same_seed_proposes_the_same_after_an_interruption(project: Path) -> None:
    whole = [same(claim.params) for claim in run_all(open_study("t/finetune.1"))]
    study = open_study("t/finetune.2")
    for _ in range(3):
        with take(study) as claim:
            finish(claim, [float(claim.params["r"])], seconds=1.0)
    rest = run_all(open_study("t/finetune.2"))
    assert [same(trial.user_attrs["params"]) for trial in study.get_trials()] == whole and len(rest) == SIZE - 3


def test_a_space_without_another_point_ends_it(project: Path) -> None:
    small = TPE.model_copy(update={"r": None, "learning_rate": None, "trials": 50})
    study = open_study()
    for params in ({"batch_size": size} for size in (8, 16, 32)):
        enqueue(study, Point(params=params, drawn=encode(small, FINETUNE, params)))
    assert propose(study, small, FINETUNE) is None
    grid = small.model_copy(update={"sampler": "grid"})
    assert next_of_grid(study, grid, FINETUNE) is None


KILLED = """
import os, sys
sys.path.insert(0, {root!r})
from tests.study.test_trials import open_study, take
with take(open_study()) as claim:
    print(claim.number, claim.attempt, claim.run, flush=True)
    os.kill(os.getpid(), 9)
"""


def killed() -> list[str]:
    code = KILLED.format(root=str(Path(__file__).parents[2]))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == -9, done.stderr
    return done.stdout.split()


def test_a_killed_trial_is_tried_once_more_and_told_apart_from_a_failed_one(project: Path) -> None:
    assert killed() == ["0", "1", "t.s1-trial-0"]
    study = open_study()
    with take(study) as claim:  # the next process, which is this one
        assert (claim.number, claim.attempt, claim.run) == (1, 2, "t.s1-trial-0")
        finish(claim, [1.0], seconds=2.0)
    assert killed() == ["2", "1", "t.s1-trial-2"]
    assert killed() == ["3", "2", "t.s1-trial-2"]
    with take(study) as claim:
        assert (claim.attempt, claim.run) == (1, "t.s1-trial-4")
        give_up(claim, "failed", "no memory", seconds=1.0)
    trials = study.get_trials()
    assert [trial.user_attrs["outcome"] for trial in trials] == ["killed", "finished", "killed", "killed", "failed"]
    assert [trial.user_attrs.get("repeats") for trial in trials] == [None, 0, None, 2, None]
    assert trials[3].user_attrs["reason"] == "its process was killed twice"
    assert same(trials[2].user_attrs["params"]) == same(trials[3].user_attrs["params"])
    assert spent(trials)[0] == 3  # two that were killed are repeated
    assert [trial.number for trial in failed_trials(study)] == [3, 4]
    words = state_words(study_record(study, ["loss"]).trials)
    assert words == "2 killed and repeated, 1 finished, 1 killed, 1 failed"
    assert len(run_all(study)) == SIZE - 3


def test_what_a_killed_trial_took_until_its_last_evaluation_is_spent(project: Path) -> None:
    """Else a search that is killed again and again never comes to the end of its minutes."""
    study = open_study()
    with take(study) as claim:
        line = {"done": 5, "total": 20, "seconds": 42.0}
        append_json_line(Path(f"{training_dir(claim.run, 'finetune-1')}.jsonl"), line | {"validation_loss": 1.0})
        TrialWatch(claim, "loss", prunes=False).look()
    with take(study) as again:  # its lock is free, and it has no end
        assert again.attempt == 2
        assert spent(study.get_trials()) == (1, 42.0)
        finish(again, [1.0], seconds=10.0)
    assert spent(study.get_trials()) == (1, 52.0)


def test_runs_that_nobody_takes_up_again_are_known(project: Path) -> None:
    killed()
    study = open_study()
    with take(study) as again:
        assert ended_runs(study) == {}  # killed once, and running again
        with take(open_study()) as second:
            give_up(second, "failed", "no memory", seconds=1.0)
            assert ended_runs(study) == {}  # its process has not let it go
        assert ended_runs(study) == {second.run: True}
        finish(again, [1.0], seconds=1.0)
    assert ended_runs(study) == {again.run: False, second.run: True}
    killed()
    killed()
    with take(study) as last:
        put_back(last, seconds=1.0)
    assert ended_runs(study) == {again.run: False, second.run: True, "t.s1-trial-3": True}
    assert not STUDY_LOCKS.joinpath(again.run).exists()


def test_ctrl_c_is_no_kill(project: Path) -> None:
    study = open_study()
    for number in range(3):
        with pytest.raises(KeyboardInterrupt), take(study) as claim:
            assert (claim.number, claim.attempt, claim.run) == (number, 1, "t.s1-trial-0")
            put_back(claim, seconds=1.0)
            raise KeyboardInterrupt
    assert len(run_all(study)) == SIZE
    outcomes = [trial.user_attrs["outcome"] for trial in study.get_trials()]
    assert outcomes == ["interrupted"] * 3 + ["finished"] * SIZE


WORKER = """
import sys, time
sys.path.insert(0, {root!r})
from tests.study.test_trials import finish, open_study, take
study = open_study()
while True:
    with take(study) as claim:
        if claim is None:
            break
        print(claim.number, flush=True)
        time.sleep(0.05)
        finish(claim, [float(claim.params["r"])], seconds=0.1)
"""


def test_two_processes_share_a_study_without_a_duplicate(project: Path) -> None:
    code = WORKER.format(root=str(Path(__file__).parents[2]))
    workers = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    numbers = [worker.communicate(timeout=600)[0].split() for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0]
    trials = open_study().get_trials()
    assert sorted(int(number) for each in numbers for number in each) == list(range(SIZE))
    assert len({same(trial.user_attrs["params"]) for trial in trials}) == len(trials) == SIZE
    assert {trial.user_attrs["outcome"] for trial in trials} == {"finished"}


def test_a_trial_that_runs_is_left_to_its_process(project: Path) -> None:
    """Optuna's heartbeat takes a busy process for a dead one (optuna/optuna issues 3198, 4234 and 5470)."""
    study = open_study()
    with take(study) as first:
        with take(open_study()) as second:
            assert second.run != first.run and same(second.params) != same(first.params)
            finish(second, [2.0], seconds=1.0)
        finish(first, [1.0], seconds=1.0)
    assert [trial.user_attrs["outcome"] for trial in study.get_trials()] == ["finished", "finished"]


def test_a_study_whose_beginning_was_cut_is_begun_again(project: Path) -> None:
    """A kill between its first row in the database and its last first point leaves neither half a study."""
    facts, point = {"space": "x", "fixed": "y"}, Point(params={"r": 4})
    storage = open_storage()

    def cut(study: Study) -> None:
        enqueue(study, point)
        raise SystemExit

    for _ in range(2):
        with pytest.raises(SystemExit):
            create(storage, "t/finetune.1", ["minimize"], facts, begin=cut)
    whole = [create(storage, "t/finetune.1", ["minimize"], facts, begin=lambda s: enqueue(s, point)) for _ in range(2)]
    assert whole[0]._study_id == whole[1]._study_id
    assert {key: whole[1].user_attrs[key] for key in facts} == facts and len(whole[1].get_trials()) == 1


def test_studies_are_numbered(project: Path) -> None:
    storage = open_storage()
    assert latest(storage, "t", "finetune") == 0
    for name in (numbered("t", "finetune", 1), numbered("t", "finetune", 2), numbered("t", "finetune", 2, "full")):
        create(storage, name, ["minimize"], {})
    create(storage, "t.x/finetune.9", ["minimize"], {})
    assert latest(storage, "t", "finetune") == 2


def test_a_database_of_another_kind_is_one_line(project: Path) -> None:
    STUDIES.write_text("not a database, but long enough to be looked at as one " * 50)
    with pytest.raises(SetupError, match=r"^studies.db: is no database, or damaged; next: "):
        open_storage()


def test_a_database_of_a_newer_optuna_is_one_line(project: Path) -> None:
    import sqlite3

    open_study()
    with sqlite3.connect(STUDIES) as database:
        database.execute("UPDATE alembic_version SET version_num = 'v99.0.0'")
    with pytest.raises(SetupError, match=r"^studies.db: was written by a newer Optuna; next: install"):
        open_storage()


def test_a_locked_database_is_one_line(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sqlite3

    open_study()
    monkeypatch.setattr(storage_module, "_BUSY_S", 0.2)
    with sqlite3.connect(STUDIES, isolation_level=None) as database:
        database.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SetupError, match=r"^studies.db: another process has locked it; next: "):
            open_study("t/finetune.2")
        database.execute("ROLLBACK")


def test_a_database_of_an_older_optuna_is_upgraded_and_not_thrown_away(project: Path) -> None:
    import sqlite3

    open_study()
    with sqlite3.connect(STUDIES) as database:
        database.execute("UPDATE alembic_version SET version_num = 'v2.6.0.a'")
    with pytest.raises(SetupError, match=r"older Optuna; next: optuna storage upgrade --storage sqlite:///studies.db$"):
        open_storage()


def test_a_database_of_something_else_is_one_line(project: Path) -> None:
    import sqlite3

    with sqlite3.connect(STUDIES) as database:
        database.execute("CREATE TABLE studies (name TEXT)")
    with pytest.raises(SetupError, match=r"is a database of something else, or damaged; next: move it away"):
        open_study()


def test_an_error_that_is_not_known_keeps_its_own_words_and_the_file(project: Path) -> None:
    import sqlalchemy.exc

    with pytest.raises(SetupError) as raised, storage_errors():
        cause = OSError("disk I/O error")
        raise sqlalchemy.exc.OperationalError("SELECT version FROM x", {}, cause) from cause
    assert str(raised.value) == "studies.db: disk I/O error"


def test_a_folder_that_cannot_be_written_is_one_line(project: Path) -> None:
    STUDIES.mkdir()
    with pytest.raises(SetupError, match=r"^studies.db: cannot be written here; next: "):
        open_storage()


def test_a_database_that_is_read_only_is_one_line(project: Path) -> None:
    import optuna

    open_study()
    storage = optuna.storages.RDBStorage("sqlite:///file:studies.db?mode=ro&uri=true")
    with pytest.raises(SetupError, match=r"^studies.db: cannot be written here; next: make the folder writable"):
        create(storage, "t/finetune.2", ["minimize"], {})


def test_a_study_that_is_deleted_while_it_runs_is_one_line(project: Path) -> None:
    import optuna

    study = open_study()
    with pytest.raises(SetupError, match="the study was deleted while it ran"), take(study) as claim:
        optuna.delete_study(study_name=study.study_name, storage=study._storage)
        finish(claim, [1.0], seconds=1.0)


def test_an_error_of_our_own_is_no_error_of_the_database() -> None:
    with pytest.raises(KeyError), storage_errors():
        raise KeyError("r")
