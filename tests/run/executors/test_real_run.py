"""Recipes on real workers, as the tutorial of docs/cluster.md has it: the scheduler is Dask's own, workers and the
submitting side are the command line, and Olive builds what comes back."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from olivepress.core.artifact import read_manifest
from olivepress.core.layout import job_dir, journal
from olivepress.run.journal import events
from tests.end_to_end.conftest import COMMAND, DATA
from tests.end_to_end.families import make_small_model, write_recipe
from tests.run.executors.cluster_here import ClusterHere, cluster_here

pytest.importorskip("distributed", reason="the extra cluster is not installed")
pytestmark = [pytest.mark.cluster, pytest.mark.timeout(2400)]

JOBS = {
    "small": ["finetune", "merge", "export-cpu-fp32", "export-cpu-int4"],
    "other": ["finetune", "merge", "export-cpu-fp32"],
}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two recipes of one small random model."""
    folder = tmp_path / "project"
    make_small_model("qwen2-tied", folder / "models" / "small")
    (folder / "recipes").mkdir()
    rows = {"data": DATA, "limits": {"min_top1_agreement": 0.0, "rows": 40}, "budget": {}}
    write_recipe(folder / "recipes" / "small.yaml", "models/small", targets=["cpu-fp32", "cpu-int4"], **rows)
    write_recipe(
        folder / "recipes" / "other.yaml",
        "models/small",
        targets=["cpu-fp32"],
        finetune={"learning_rate": 0.02},
        **rows,
    )
    monkeypatch.chdir(folder)
    return folder


@contextlib.contextmanager
def started(arguments: list[str], folder: Path, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    folder.mkdir(exist_ok=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=folder,
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env=environment,
            # Tests that run in the background have inherited that SIGINT is ignored.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()


def worker(cluster: ClusterHere, name: str) -> contextlib.AbstractContextManager[subprocess.Popen[bytes]]:
    arguments = ["worker", "--scheduler", cluster.address, "--name", name, "--label", f"rack-{name}"]
    return started(arguments, cluster.folder / name, cluster.folder / f"{name}.log")


def wait_for(log: Path, text: str, process: subprocess.Popen[bytes], seconds: float = 600.0) -> None:
    end = time.monotonic() + seconds
    while text not in log.read_text():
        assert process.poll() is None and time.monotonic() < end, log.read_text()[-3000:]
        time.sleep(0.2)


def olivepress(arguments: list[str]) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ClusterHere]:
    with cluster_here(tmp_path / "cluster") as scheduler:
        yield scheduler


def test_two_recipes_run_on_two_workers_one_of_which_dies(project: Path, cluster: ClusterHere, tmp_path: Path) -> None:
    there = ["--engine", "dask", "--scheduler", cluster.address]
    log = tmp_path / "run.log"
    with worker(cluster, "first") as first, worker(cluster, "second") as second:
        for name, process in (("first", first), ("second", second)):
            wait_for(cluster.folder / f"{name}.log", "connected to", process)
        with started(["run", "small", "other", *there], project, log) as run:
            wait_for(log, "started on first", run)
            first.kill()
            first.wait()
            with worker(cluster, "first"):
                assert run.wait(timeout=1500) == 0, log.read_text()[-3000:]
        assert "; first did not finish it" in log.read_text()
        for recipe, jobs in JOBS.items():
            for job in jobs:
                assert read_manifest(job_dir(recipe, job), verify=True).job == job
            finished = [event["job"] for event in events(journal(recipe)) if event["event"] == "finished"]
            assert sorted(finished) == sorted(jobs)
        machines = {event["machine"] for event in events(journal("small")) if event["event"] == "finished"}
        assert machines <= {"first", "second"}
        again = olivepress(["run", "small", "other", *there, "--json"])
        assert {job["state"] for job in json.loads(again.stdout)["jobs"]} == {"kept"}
        # What is in the project is an ordinary run: here it is finished as well.
        assert "kept" in olivepress(["run", "small", "--quiet"]).stdout
        # One export is measured on the machine that has the label.
        bench = ["bench", "small", "--job", "export-cpu-int4", "--on", "export-cpu-int4=rack-second", "--rounds", "2"]
        (report,) = json.loads(olivepress([*bench, *there, "--json"]).stdout)
        assert json.loads(Path(report).read_text())["job"] == "export-cpu-int4"


def test_ctrl_c_leaves_nothing_running_and_the_same_command_resumes(
    project: Path, cluster: ClusterHere, tmp_path: Path, children: Callable[[int], int]
) -> None:
    there = ["--engine", "dask", "--scheduler", cluster.address]
    log = tmp_path / "run.log"
    with worker(cluster, "only") as only:
        wait_for(cluster.folder / "only.log", "connected to", only)
        with started(["run", "other", *there], project, log) as run:
            wait_for(log, "started on only", run)
            run.send_signal(signal.SIGINT)
            assert run.wait(timeout=60) == 130, log.read_text()[-3000:]
        assert children(only.pid) == 0
        olivepress(["run", "other", *there])
    kinds = [event["event"] for event in events(journal("other")) if event["job"] == "finetune"]
    assert kinds == ["started", "interrupted", "started", "finished"]


@pytest.fixture
def children() -> Callable[[int], int]:
    """How many processes a process has started that run."""
    import psutil

    return lambda pid: len(psutil.Process(pid).children(recursive=True))
