"""What a worker does with a job, without a scheduler: refused, done, taken from the store, stopped, broken."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from olivepress import __version__
from olivepress.run.executors import perform as module
from olivepress.run.executors import place as place_module
from olivepress.run.executors.artifacts import inputs_of, receive, send
from olivepress.run.executors.perform import perform
from olivepress.run.executors.place import Place, enter, here
from olivepress.run.executors.specs import JobSpec, Outcome
from olivepress.run.executors.store import Damaged, Store, open_store
from olivepress.run.executors.watch import DaskTask, Watch
from tests.run.executors.cluster_here import announcement

KEY = "a" * 64


class Wanted:
    """In place of Dask's task; ``until`` is how often it is wanted."""

    until = 10**9
    reports: list[tuple[str, dict[str, Any]]] = []  # noqa: RUF012

    def __init__(self, topic: str, job: str, machine: str) -> None:
        self.asked = 0

    def wanted(self) -> bool:
        self.asked += 1
        return self.asked <= type(self).until

    def report(self, event: str, **facts: Any) -> None:
        type(self).reports.append((event, facts))


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "DaskTask", Wanted)
    monkeypatch.setattr(Wanted, "until", 10**9)
    monkeypatch.setattr(Wanted, "reports", [])
    enter(Place(tmp_path / "worker", announcement("alpha"), environments=tmp_path / "none", gpus=()))
    yield open_store(str(tmp_path / "store"), create=True)
    assert [process for process in psutil.Process().children(recursive=True) if process.is_running()] == []


def spec_of(store: Store, **changes: Any) -> JobSpec:
    spec = JobSpec(
        version=__version__, id="job", key=KEY, task="echo", store=store.url, store_id=store.id, topic="t", seal="s",
        fields={"file": "made/it.txt", "text": "done"},
    )  # fmt: skip
    return spec.model_copy(update=changes)


def run(spec: JobSpec) -> Outcome:
    return Outcome.model_validate_json(perform(spec.model_dump_json()))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"version": "0.0.1"}, "the job is of 0.0.1"),
        ({"store_id": "another"}, "is another folder here"),
        ({"task": "bench"}, "this worker does no bench"),
    ],
)
def test_what_this_worker_cannot_do_is_for_another_one(store: Store, changes: dict[str, Any], text: str) -> None:
    outcome = run(spec_of(store, **changes))
    assert (outcome.state, outcome.machine) == ("elsewhere", "alpha") and text in outcome.error
    assert [event for event, _ in Wanted.reports] == ["started", "ended"]


def test_a_job_is_done_and_the_second_time_taken_from_the_store(store: Store, tmp_path: Path) -> None:
    outcome = run(spec_of(store))
    assert (outcome.state, outcome.reused) == ("done", False)
    (ref,) = outcome.files
    store.get(ref, Path("back"))
    assert (ref.path, Path("back").read_text()) == ("made/it.txt", "done")
    assert list((tmp_path / "worker" / "jobs").iterdir()) == []
    again = run(spec_of(store))
    assert again.reused and again.files == outcome.files and again.fields == outcome.fields
    Path(store.url, "objects", ref.sha256[:2], ref.sha256).unlink()
    assert not run(spec_of(store)).reused  # its file is gone: done again
    assert not run(spec_of(store, seal="another project's")).reused


def test_a_result_that_did_not_arrive_whole_is_done_again(store: Store) -> None:
    """Not taken from the store for ever: the damaged file is as long as it must be."""
    (ref,) = run(spec_of(store)).files
    Path(store.url, "objects", ref.sha256[:2], ref.sha256).write_text("DONE")
    with pytest.raises(Damaged):
        receive(store, ref, Path("back"))
    again = run(spec_of(store))
    assert not again.reused and again.files == (ref,)
    receive(store, ref, Path("back"))
    assert Path("back").read_text() == "done"


def test_a_job_that_nobody_wants_any_more_is_ended(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Wanted, "until", 2)
    fields = {"file": "made/it.txt", "text": "x", "seconds": 600}
    began = time.monotonic()
    assert run(spec_of(store, fields=fields)).state == "stopped"
    assert time.monotonic() - began < 60
    assert store.names("results") == []


def test_a_process_that_dies_is_tried_elsewhere(store: Store) -> None:
    enter(Place(Path("worker"), announcement("alpha"), environments=Path("none"), gpus=(),
                tasks={"echo": "os:abort"}))  # fmt: skip
    outcome = run(spec_of(store))
    assert outcome.state == "elsewhere" and outcome.error


def test_a_job_that_fails_says_so_and_leaves_nothing_in_the_store(store: Store) -> None:
    outcome = run(spec_of(store, fields={"fails": "its check failed"}))
    assert (outcome.state, outcome.error) == ("failed", "its check failed")
    assert store.names("results") == []


def test_a_damaged_input_names_its_hash(store: Store) -> None:
    Path("input").write_text("as it was")
    refs = inputs_of([Path("input")])
    send(store, refs)
    Path(store.url, "objects", refs[0].sha256[:2], refs[0].sha256).write_text("as it IS!")
    outcome = run(spec_of(store, inputs=refs))
    assert (outcome.state, outcome.damaged) == ("elsewhere", (refs[0].sha256,))


def test_an_input_that_a_job_changed_on_this_worker_is_brought_again(store: Store, tmp_path: Path) -> None:
    Path("input").write_text("as it was")
    refs = inputs_of([Path("input")])
    send(store, refs)
    place = Place(tmp_path / "own", announcement("alpha"), environments=Path("none"), gpus=())
    place.bring(store, refs[0], tmp_path / "first" / "input")
    (tmp_path / "first" / "input").write_text("written by a job into its link")
    place.bring(store, refs[0], tmp_path / "second" / "input")
    assert (tmp_path / "second" / "input").read_text() == "as it was"


def test_only_json_of_a_spec_is_run(store: Store) -> None:
    for text in ("", "{}", json.dumps({"task": "os:system"}), spec_of(store).model_dump_json().replace("echo", "os")):
        with pytest.raises(ValueError):
            perform(text)


def test_gpus_are_given_out_once(tmp_path: Path) -> None:
    place = Place(tmp_path, announcement("a"), environments=tmp_path, gpus=("0", "1"))
    with place.gpus(1) as first, place.gpus(1) as second, place.gpus(0) as none:
        assert {first, second} == {"0", "1"} and none == ""
    with place.gpus(2) as both:
        assert sorted(both.split(",")) == ["0", "1"]


def test_what_no_job_used_for_a_week_goes(tmp_path: Path) -> None:
    place = Place(tmp_path, announcement("a"), environments=tmp_path, gpus=())
    (tmp_path / "objects" / "aa").mkdir(parents=True)
    (tmp_path / "objects" / "aa" / "x").write_text("x")
    (tmp_path / "jobs" / "old").mkdir(parents=True)
    place.remove_old()
    assert (tmp_path / "jobs" / "old").is_dir() and (tmp_path / "objects" / "aa" / "x").is_file()
    place.remove_old(now=time.time() + 8 * 24 * 3600)
    assert not (tmp_path / "jobs" / "old").exists() and not (tmp_path / "objects" / "aa" / "x").exists()


def test_a_worker_that_runs_for_months_keeps_nothing_old(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was old when it started is not all that ever gets old; what a job uses stays, however long it runs."""
    left, used = tmp_path / "worker" / "objects" / "aa" / "x", tmp_path / "worker" / "jobs" / "long"
    left.parent.mkdir(parents=True)
    left.write_text("x")
    used.mkdir(parents=True)
    for path in (left, used):
        os.utime(path, (0, 0))
    run(spec_of(store))
    assert left.is_file()  # looked at once a day
    monkeypatch.setattr(place_module, "_DAY_S", 0.0)
    with here().alone_in(used, lambda: True):
        run(spec_of(store))
    assert not left.exists() and used.is_dir()


def test_what_a_job_writes_takes_the_place_of_no_event_and_ends_no_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A watch that ended would leave a job running that was cancelled."""
    events = list[dict[str, Any]]()

    class Worker:
        def get_current_task(self) -> str:
            return "key"

        def log_event(self, topic: str, event: dict[str, Any]) -> None:
            events.append(event)

    monkeypatch.setattr("distributed.get_worker", Worker)
    (tmp_path / "messages").write_text('{"event": "ended", "job": "other", "machine": "x", "done": 3}\n[1]\nno JSON\n')
    Watch(DaskTask("t", "mine", "here"), tmp_path / "messages", lambda: None)._pass_on()
    assert events == [{"job": "mine", "machine": "here", "event": "progress", "done": 3}]
