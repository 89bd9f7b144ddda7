"""Workers that go while jobs need them: a job is handed on, waits for a while, or does without what it only prefers."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from olivepress.run.executors import engine
from olivepress.run.executors.cluster import Cluster, Ended, Lost, Seen
from olivepress.run.executors.engine import run_tasks
from olivepress.run.executors.needs import Needs, check_needs
from olivepress.run.executors.room import has_room
from olivepress.run.executors.specs import JobSpec
from olivepress.run.executors.store import open_store
from tests.run.executors.cluster_here import Silent, announcement, assert_done_once, cluster_here, echoes
from tests.run.executors.test_engine import Answer, Plain, Scripted, outcome, run


class Able(Scripted):
    """As Dask: what was submitted waits until a worker with the resources is at one of the addresses."""

    def __init__(self, answer: Answer, *seen: Seen) -> None:
        super().__init__(answer)
        self.seen, self.looks, self.needs = list(seen), 0, dict[str, float]()

    def submit(self, name: str, text: str, resources: Mapping[str, float], only: Sequence[str] = ()) -> None:
        self.needs = dict(resources)
        super().submit(name, text, resources, only)

    def ended(self) -> list[Ended]:
        self.looks += 1
        assert self.looks < 200, "it waits for ever"
        there = [seen for seen in self.seen if not (self.waiting and self.only[-1]) or seen.address in self.only[-1]]
        has = [seen.announcement.resources for seen in there if seen.announcement]
        return super().ended() if has_room(has, [], self.needs) else []


def one(machine: str, address: str = "", **facts: Any) -> Seen:
    return Seen(address=address or f"at {machine}", announcement=announcement(machine, **facts))


def test_a_job_that_was_left_to_workers_of_which_the_able_one_is_gone_is_handed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others at the addresses that it was left to are still there, and can never run it."""
    monkeypatch.setattr(engine, "_LOOK_S", 0.0)

    def answer(spec: JobSpec, count: int) -> Ended | list[Ended]:
        if count == 1:
            return outcome(spec, "elsewhere", "one")
        if count == 2:  # its worker dies and is started again; Dask keeps the task
            cluster.seen[1] = one("two", "at two again", devices={"cuda": 1})
            cluster.waiting.append((spec.id, spec.model_dump_json()))
            return []
        return outcome(spec, "done", "two")

    cluster = Able(answer, one("one", devices={"cuda": 1}), one("two", devices={"cuda": 1}), one("plain"))
    task = Plain("job")
    task.needs = Needs(devices={"cuda": 1})
    assert run([task], cluster, patience_s=60.0)("job") == "done"
    assert cluster.only == [(), ("at two", "at plain"), ("at two again", "at plain")]


@pytest.mark.parametrize("how", ["it could not", "it is gone"])
def test_a_job_goes_on_without_the_device_that_it_only_prefers(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "_LOOK_S", 0.0)

    def answer(spec: JobSpec, count: int) -> Ended | list[Ended]:
        assert spec.gpus == (1 if count == 1 else 0)
        if count == 1 and how == "it is gone":
            cluster.seen = [one("plain")]
            cluster.waiting.append((spec.id, spec.model_dump_json()))
            return []
        return outcome(spec, "elsewhere", "gpu", error="disk full") if count == 1 else outcome(spec, "done", "plain")

    cluster, task = Able(answer, one("gpu", devices={"cuda": 1}), one("plain")), Plain("job")
    task.needs = Needs(prefers=("cuda",))
    assert run([task], cluster, patience_s=0.1)("job") == "done"
    assert task.told == ["done on plain"]


def test_a_scheduler_that_is_lost_while_a_job_is_prepared_loses_no_job() -> None:
    class Meanwhile(Plain):
        begun = 0

        def begin(self) -> JobSpec | None:
            self.begun += 1
            if self.begun == 1:
                raise Lost("gone")
            return super().begin()

    cluster, task = Able(lambda spec, _: outcome(spec, "done"), one("one")), Meanwhile("job")
    assert run([task], cluster)("job") == "done"
    assert cluster.reconnected == 1 and cluster.counts == {"job": 1}


@pytest.mark.parametrize("returns", [True, False])
def test_a_job_whose_only_worker_is_started_again_at_that_moment_waits_for_it(
    returns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "_LOOK_S", 0.0)
    worker = one("one")

    class Checking(Plain):
        asked = 0

        def begin(self) -> JobSpec | None:
            self.asked += 1
            if returns and self.asked == 3:
                cluster.seen = [worker]
            check_needs(self.name, self.needs, [seen.announcement for seen in cluster.seen if seen.announcement])
            return super().begin()

    def answer(spec: JobSpec, count: int) -> Ended:
        cluster.seen = []
        return outcome(spec, "done")

    cluster, second = Able(answer, worker), Checking("second", ["first"])
    state = run([Plain("first"), second], cluster, patience_s=60.0 if returns else 0.1)
    assert state("second") == ("done" if returns else "failed")
    assert second.asked >= 3 and (returns or "second: the scheduler has no worker" in str(second.error))


@pytest.mark.cluster
@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs a mount namespace for a small disk")
def test_the_last_able_worker_of_a_job_dies_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Real processes: one machine cannot, the job waits at the address of the other one, which is killed."""
    pytest.importorskip("distributed", reason="the extra cluster is not installed")
    monkeypatch.chdir(tmp_path)
    Path("input.bin").write_bytes(b"x" * 2_000_000)
    store = open_store(str(tmp_path / "store"), create=True)
    roomy = announcement("roomy", devices={"qnn-npu": 1})

    class Killing(Silent):
        killed = False

        def event(self, message: Any) -> None:
            super().event(message)
            started = [each for each in self.events if each["event"] == "started" and each["machine"] == "roomy"]
            if len(started) == 2 and not self.killed:
                self.killed = True
                here.kill_worker("roomy")
                here.start_worker(roomy)

    with cluster_here(tmp_path / "cluster", announcement("plain"), roomy) as here:
        here.start_worker(announcement("full", devices={"qnn-npu": 1}), disk_bytes=1_000_000)
        here.wait_for(3)
        tasks, follower = echoes(store, "test", {"first": [], "second": []}, seconds=1.5), Killing()
        for task in tasks:
            task.inputs, task.needs = [Path("input.bin")], Needs(devices={"qnn-npu": 1})
        with Cluster(here.address, None, topic="test") as cluster:
            run_tasks(tasks, cluster, follower, patience_s=30.0)
    assert follower.killed and any("No space left" in told[1] for told in follower.told if told[0] == "lost")
    assert_done_once(tasks)
