"""Jobs on real workers: what is lost is done again, what is done counts once, what is stopped ends."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import SetupError
from olivepress.run.executors.cluster import Cluster
from olivepress.run.executors.engine import run_tasks
from olivepress.run.executors.needs import Needs
from olivepress.run.executors.store import Store, open_store
from olivepress.run.journal import events
from tests.run.executors.cluster_here import (
    ClusterHere,
    EchoTask,
    Silent,
    announcement,
    assert_done_once,
    cluster_here,
    echoes,
)

pytest.importorskip("distributed", reason="the extra cluster is not installed")

LAB = announcement("lab", devices={"qnn-npu": 1, "cuda": 2}, slots=2)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterHere]:
    with cluster_here(tmp_path_factory.mktemp("cluster"), announcement("plain"), LAB) as started:
        yield started


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.chdir(tmp_path)
    return open_store(str(tmp_path / "store"), create=True)


def connected(cluster: ClusterHere, **options: Any) -> Cluster:
    return Cluster(cluster.address, None, topic="test", **options)


def test_a_graph_is_run_and_its_files_arrive(cluster: ClusterHere, store: Store) -> None:
    Path("input.txt").write_text("data of all jobs")
    after: dict[str, list[str]] = {"first": [], **{f"job{number}": ["first"] for number in range(6)}}
    tasks, follower = echoes(store, "test", {**after, "last": list(after)}), Silent()
    for task in tasks:
        task.inputs = [Path("input.txt")]
    with connected(cluster) as connection:
        state = run_tasks(tasks, connection, follower)
    assert_done_once(tasks)
    assert {state(task.name) for task in tasks} == {"done"}
    assert store.uploaded == 1  # the input, by this side: what the jobs wrote was uploaded by their workers
    journal = [(event["event"], event["job"]) for event in events(Path("journal.jsonl"))]
    assert journal[:2] == [("started", "first"), ("finished", "first")]
    assert journal[-2:] == [("started", "last"), ("finished", "last")]
    started = [event for event in follower.events if event["event"] == "started"]
    assert {event["machine"] for event in started} == {"plain", "lab"}
    processes = {task.outcome.fields["process"] for task in tasks if task.outcome}
    assert len(processes) == len(tasks)  # each job in a process of its own


def test_what_is_finished_is_not_run_again(cluster: ClusterHere, store: Store) -> None:
    tasks = echoes(store, "test", {"a": [], "b": ["a"]})
    with connected(cluster) as connection:
        run_tasks(tasks, connection, Silent())
        for task in tasks:
            task.file.unlink()  # as if this side had been killed before it had taken them
        again = echoes(store, "test", {"a": [], "b": ["a"]})
        run_tasks(again, connection, Silent())
    assert [task.outcome.reused for task in (*tasks, *again) if task.outcome] == [False, False, True, True]
    assert all(task.file.read_text() == task.name for task in again)


def test_a_poisoned_job_stops_only_what_depends_on_it(cluster: ClusterHere, store: Store) -> None:
    tasks = echoes(store, "test", {"bad": [], "after": ["bad"], "end": ["after"], "good": [], "next": ["good"]})
    tasks[0].fields = {"fails": "its check failed"}
    with connected(cluster) as connection:
        state = run_tasks(tasks, connection, Silent())
    assert [state(task.name) for task in tasks] == ["failed", "skipped", "skipped", "done", "done"]
    assert str(tasks[0].error) == "its check failed"
    assert [task.dropped for task in tasks[1:3]] == ["skipped: bad", "skipped: bad"]
    assert [event["event"] for event in events(Path("journal.jsonl")) if event["job"] == "bad"] == ["started", "failed"]


def test_jobs_go_where_their_device_is_and_do_not_share_it(cluster: ClusterHere, store: Store) -> None:
    tasks = echoes(store, "test", {f"gpu{number}": [] for number in range(4)}, seconds=0.3)
    for task in tasks:
        task.needs = Needs(devices={"cuda": 1})
    npu = EchoTask(name="npu", store=store, topic="test", needs=Needs(devices={"qnn-npu": 1}))
    with connected(cluster) as connection:
        run_tasks([*tasks, npu], connection, Silent())
    ended = [task.outcome for task in (*tasks, npu) if task.outcome]
    assert {outcome.machine for outcome in ended} == {"lab"}
    assert [len(outcome.fields["gpus"]) for outcome in ended] == [1, 1, 1, 1, 0]  # one each; none for who asks for none
    assert {outcome.fields["gpus"] for outcome in ended[:4]} == {"0", "1"}


def test_a_job_that_no_worker_can_run_any_more_fails_after_a_while(cluster: ClusterHere, store: Store) -> None:
    task = EchoTask(name="lonely", store=store, topic="test", needs=Needs(devices={"webgpu": 1}))
    other = EchoTask(name="other", store=store, topic="test")
    with connected(cluster) as connection:
        state = run_tasks([task, other], connection, Silent(), patience_s=0.5)
    assert (state("lonely"), state("other")) == ("failed", "done")
    assert "no worker is left that can run it" in str(task.error)


def test_ctrl_c_leaves_nothing_running(cluster: ClusterHere, store: Store) -> None:
    class Interrupting(Silent):
        def tick(self) -> None:
            if sum(event["event"] == "started" for event in self.events) == 3:
                assert len(cluster.job_processes()) >= 2
                raise KeyboardInterrupt

    follower = Interrupting()
    tasks = echoes(store, "test", {f"long{number}": [] for number in range(6)}, seconds=600)
    with connected(cluster) as connection:
        with pytest.raises(KeyboardInterrupt):
            run_tasks(tasks, connection, follower)
        assert cluster.job_processes() == []
    assert not any(told[0] == "lost" for told in follower.told)
    interrupted = [event["job"] for event in events(Path("journal.jsonl")) if event["event"] == "interrupted"]
    assert {"long0", "long1", "long2"} <= set(interrupted)
    # The workers are free again.
    after = EchoTask(name="after", store=store, topic="test")
    with connected(cluster) as connection:
        run_tasks([after], connection, Silent())
    assert after.file.is_file()


def test_a_submitting_side_that_is_gone_leaves_nothing_running(cluster: ClusterHere, store: Store) -> None:
    task = EchoTask(name="gone", store=store, topic="test", fields={"seconds": 600})
    with connected(cluster) as connection:
        spec = task.begin()
        assert spec is not None
        connection.submit("gone", spec.model_dump_json(), Needs().resources, [])
        wait_until(lambda: bool(cluster.job_processes()))
    wait_until(lambda: not cluster.job_processes())


def test_a_damaged_object_is_sent_again(cluster: ClusterHere, store: Store) -> None:
    Path("input.txt").write_text("as it is meant")
    task = EchoTask(name="whole", store=store, topic="test", inputs=[Path("input.txt")])
    begin = task.begin

    def damaged_begin() -> Any:
        spec = begin()
        (ref,) = task.sent
        Path(store.url, "objects", ref.sha256[:2], ref.sha256).write_text("as it is MEANT")
        return spec

    task.begin = damaged_begin  # type: ignore[method-assign]
    follower = Silent()
    with connected(cluster) as connection:
        run_tasks([task], connection, follower)
    assert_done_once([task])
    assert any("tried again" in told[1] and "damaged" in told[1] for told in follower.told if told[0] == "lost")


def test_a_worker_with_another_store_at_that_place_is_not_believed(cluster: ClusterHere, store: Store) -> None:
    task = EchoTask(name="moved", store=store, topic="test")
    begin = task.begin

    def begin_elsewhere() -> Any:
        spec = begin()
        assert spec is not None
        return spec.model_copy(update={"store_id": "another"})

    task.begin = begin_elsewhere  # type: ignore[method-assign]
    with connected(cluster) as connection:
        state = run_tasks([task], connection, Silent())
    assert state("moved") == "failed" and "is another folder" in str(task.error)


def test_what_is_no_scheduler_is_an_error_in_one_line(tmp_path: Path) -> None:
    nobody = Cluster("tcp://127.0.0.1:9", None, topic="test")
    with pytest.raises(SetupError, match="no scheduler answers") as error, nobody:
        pass
    assert "\n" not in str(error.value)


def wait_until(condition: Any, seconds: float = 300.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to be"
        time.sleep(0.05)


def test_the_rest_of_a_killed_worker_is_done_elsewhere(tmp_path: Path, store: Store) -> None:
    class Killing(Silent):
        killed = False

        def event(self, message: Any) -> None:
            super().event(message)
            if not self.killed and message["event"] == "started" and message["machine"] == "one":
                self.killed = True
                started.kill_worker("one")

    with cluster_here(tmp_path / "cluster", announcement("one"), announcement("two")) as started:
        tasks, follower = echoes(store, "test", {f"job{number}": [] for number in range(5)}, seconds=0.3), Killing()
        with connected(started) as connection:
            run_tasks(tasks, connection, follower)
        assert follower.killed
        assert_done_once(tasks)
        assert {task.outcome.machine for task in tasks if task.outcome} <= {"one", "two"}
        assert not [process for process in started.job_processes() if process.is_running()]


def test_a_scheduler_that_dies_loses_nothing(tmp_path: Path, store: Store) -> None:
    class Killing(Silent):
        killed = False

        def event(self, message: Any) -> None:
            super().event(message)
            if not self.killed and sum(event["event"] == "started" for event in self.events) == 3:
                self.killed = True
                started.kill_scheduler()
                started.start_scheduler()

    with cluster_here(tmp_path / "cluster", announcement("one"), announcement("two")) as started:
        tasks, follower = echoes(store, "test", {f"job{number}": [] for number in range(6)}, seconds=0.3), Killing()
        with connected(started) as connection:
            run_tasks(tasks, connection, follower)
        assert follower.killed and any("gone" in told[1] for told in follower.told if told[0] == "lost")
        assert_done_once(tasks)


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a mount namespace for a small disk")
def test_a_full_disk_on_one_worker(tmp_path: Path, store: Store) -> None:
    Path("input.bin").write_bytes(b"x" * 2_000_000)
    with cluster_here(tmp_path / "cluster") as started:
        started.start_worker(announcement("full"), disk_bytes=1_000_000)
        started.start_worker(announcement("roomy"))
        started.wait_for(2)
        tasks = echoes(store, "test", {f"job{number}": [] for number in range(4)}, seconds=0.2)
        for task in tasks:
            task.inputs = [Path("input.bin")]
        follower = Silent()
        with connected(started) as connection:
            run_tasks(tasks, connection, follower)
    assert_done_once(tasks)
    assert {task.outcome.machine for task in tasks if task.outcome} == {"roomy"}
    assert any("No space left" in told[1] for told in follower.told if told[0] == "lost")


def test_a_worker_of_another_version_gets_nothing(tmp_path: Path, store: Store) -> None:
    old, new = announcement("old", version="0.0.1"), announcement("new")
    with cluster_here(tmp_path / "cluster", old, new) as started:
        tasks = echoes(store, "test", {f"job{number}": [] for number in range(4)}, seconds=0.1)
        with connected(started) as connection:
            run_tasks(tasks, connection, Silent())
    assert {task.outcome.machine for task in tasks if task.outcome} == {"new"}
    assert_done_once(tasks)
