"""A scheduler, four workers with different resources and the submitting side, each killed at random times: at the end
every job is done, and its effect is there once."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from olivepress.run.executors.needs import Announcement
from olivepress.run.journal import events
from tests.conftest import ROOT
from tests.run.executors.cluster_here import ClusterHere, announcement, cluster_here

pytest.importorskip("distributed", reason="the extra cluster is not installed")

WORKERS = [
    announcement("one"),
    announcement("two", slots=2),
    announcement("gpu", devices={"cuda": 1}),
    announcement("npu", devices={"qnn-npu": 1}, labels=("lab",)),
]
RUNS, JOBS = 50, 14
LIMIT_S = 600.0  # without a line in the journal: then it hangs. On a busy machine, starting one process took 150 s


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterHere]:
    with cluster_here(tmp_path_factory.mktemp("cluster"), *WORKERS) as started:
        yield started


def graph(chance: random.Random) -> dict[str, list[str]]:
    names = [f"job{number}" for number in range(JOBS)]
    return {name: chance.sample(names[:index], min(index, chance.randrange(3))) for index, name in enumerate(names)}


class Submitter:
    """The submitting side: started again when it was killed, as a person would."""

    def __init__(self, cluster: ClusterHere, store: Path, jobs: dict[str, list[str]]) -> None:
        script = str(Path(__file__).with_name("submit.py"))
        self.command = [sys.executable, script, cluster.address, str(store), json.dumps(jobs), "0.15"]
        self.process = self.start()

    def start(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        with Path("submit.log").open("ab") as log:
            return subprocess.Popen(self.command, env=environment, stdout=log, stderr=log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process = self.start()


def kill_something(chance: random.Random, cluster: ClusterHere, submitter: Submitter) -> str:
    """Kill -9 one of the processes and start it again; returns which."""
    victim = chance.choice(["worker", "worker", "job", "scheduler", "submitter"])
    if victim == "worker":
        said: Announcement = chance.choice(WORKERS)
        cluster.kill_worker(said.machine)
        cluster.start_worker(said)
    elif victim == "job":
        jobs = cluster.job_processes()
        if jobs:
            chance.choice(jobs).kill()
    elif victim == "scheduler":
        cluster.kill_scheduler()
        cluster.start_scheduler()
    else:
        submitter.kill()
    return victim


def kill_until_it_ends(chance: random.Random, cluster: ClusterHere, submitter: Submitter) -> list[str]:
    """Kill up to four processes while the submitting side runs; returns which."""
    kills, due, killed = chance.randrange(1, 5), time.monotonic() + 2.5, list[str]()
    lines, moved = 0, time.monotonic()
    while submitter.process.poll() is None:
        if (now := len(events(Path("journal.jsonl")))) != lines:
            lines, moved = now, time.monotonic()
        assert time.monotonic() - moved < LIMIT_S, (killed, Path("submit.log").read_text())
        if kills and time.monotonic() >= due:
            killed.append(kill_something(chance, cluster, submitter))
            kills, due = kills - 1, time.monotonic() + chance.uniform(0.1, 2.5)
        time.sleep(0.05)
    return killed


@pytest.mark.cluster
@pytest.mark.timeout(2400)
@pytest.mark.parametrize("seed", range(RUNS))
def test_nothing_is_lost_and_nothing_is_done_twice(
    seed: int, cluster: ClusterHere, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    chance = random.Random(seed)
    jobs = graph(chance)
    submitter = Submitter(cluster, tmp_path / "store", jobs)
    try:
        killed = kill_until_it_ends(chance, cluster, submitter)
    finally:
        submitter.process.kill()
    code = submitter.process.wait()
    assert code == 0, (killed, Path("submit.log").read_text())
    finished = [event["job"] for event in events(Path("journal.jsonl")) if event["event"] == "finished"]
    made = {path.stem: path.read_text() for path in Path("made").glob("*.txt")}
    assert made == {name: name for name in jobs}, killed
    # A line may be missing where this side was killed between a file and its line; there are never two.
    assert len(finished) == len(set(finished)) and set(finished) <= set(jobs), killed
    assert len(finished) >= len(jobs) - killed.count("submitter"), killed
