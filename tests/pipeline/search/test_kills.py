"""Searches with real fine-tunes of the tiny model, killed at random: they end with the trials that were asked for."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from olivepress.core.layout import RUNS, STUDY_LOCKS
from olivepress.core.process import process_in
from olivepress.study.space import same
from olivepress.study.storage import create, open_storage
from olivepress.study.trials import is_counted
from tests.pipeline.search.stand_in import SEARCH, write_recipe

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

COMMAND = [sys.executable, "-c", "from olivepress.cli.main import main; main()", "search", "finetune", "t", "--json"]
TRIALS = 6
SMALL = SEARCH | {"trials": TRIALS, "finalists": 1}


def start() -> subprocess.Popen[str]:
    return subprocess.Popen(COMMAND, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)


def wait_for_a_trial(process: subprocess.Popen[str]) -> None:
    """Until the process runs one: what comes before it takes longer on one machine than on another."""
    end = time.monotonic() + 600
    while process.pid not in _who_run_trials():
        assert process.poll() is None and time.monotonic() < end, "no trial began"
        time.sleep(0.2)


def _who_run_trials() -> set[int]:
    holders = [process_in(folder) for folder in STUDY_LOCKS.glob("t.s1-*")]
    return {holder.pid for holder in holders if holder is not None}


def check_study(stage: str, wanted: int) -> None:
    """As many trials as were asked for, each once, besides those that were killed and repeated."""
    trials = create(open_storage(), f"t/finetune.1{stage}", [], {}).get_trials()
    counted = [trial for trial in trials if is_counted(trial)]
    assert len(counted) == wanted
    points = [same({**trial.user_attrs["params"], **trial.user_attrs["facts"]}) for trial in counted]
    assert len(set(points)) == wanted
    assert {trial.user_attrs["outcome"] for trial in counted} <= {"finished", "pruned", "killed"}
    for trial in trials:
        if trial.user_attrs["outcome"] == "killed":
            repeated = sum(other.user_attrs.get("repeats") == trial.number for other in trials)
            assert repeated == (0 if is_counted(trial) else 1)


def test_killed_five_times_at_random_it_ends_with_the_same_number_of_trials(project: Path) -> None:
    write_recipe(project, SMALL)
    rng = random.Random(5)
    for _ in range(5):
        process = start()
        wait_for_a_trial(process)
        time.sleep(rng.uniform(0, 12))
        assert process.poll() is None, process.communicate()
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
    process = start()
    out, errors = process.communicate()
    assert process.returncode == 0, errors
    check_study("", TRIALS)
    answer = json.loads(out)
    assert answer["stages"]["trials"]["study"] == "t/finetune.1"
    assert any(trial["state"] == "killed" for trial in answer["stages"]["trials"]["trials"])
    assert not list(RUNS.rglob("*.safetensors")) and not list(RUNS.glob("t.s1-*/.training"))
    assert not list(STUDY_LOCKS.glob("t.s1-*"))


def test_two_processes_at_once_make_no_trial_twice(project: Path) -> None:
    write_recipe(project, SMALL)
    processes = [start(), start()]
    answers = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    check_study("", TRIALS)
    check_study("/full", 4)
    verdicts = [json.loads(out)["verdict"] for out, _ in answers]
    assert verdicts[0] == verdicts[1]
    trials = create(open_storage(), "t/finetune.1", [], {}).get_trials()
    assert {trial.user_attrs["outcome"] for trial in trials} <= {"finished", "pruned"}
