"""Two processes at the same moment: a store that both begin, objects that one removes and the other one needs, a job
that comes back to a worker which has not finished it yet."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.errors import JobError, SetupError
from olivepress.run.executors import perform as perform_module
from olivepress.run.executors import place as place_module
from olivepress.run.executors.place import Place
from olivepress.run.executors.references import Run
from olivepress.run.executors.specs import Outcome
from olivepress.run.executors.store import Store, open_store
from tests.run.executors import test_perform, test_store
from tests.run.executors.cluster_here import announcement
from tests.run.executors.test_perform import Wanted, run, spec_of

module: Any = perform_module
bucket, container, s3 = test_store.bucket, test_store.container, test_store.s3
any_store, worker_store = test_store.store, test_perform.store


@pytest.mark.parametrize("storage", ["folder", "memory", *test_store._OBJECTS])
def test_a_store_that_two_processes_begin_has_one_id(
    storage: str, tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    urls = {"folder": str(tmp_path / "store"), "memory": f"memory://{tmp_path.name}"}
    url = urls.get(storage) or request.getfixturevalue("bucket" if storage == "s3" else "container")
    read, others = Store.read, list[Store]()

    def read_and_let_another_begin(self: Store, name: str) -> str | None:
        text = read(self, name)
        if text is None and not others:
            monkeypatch.setattr(Store, "read", read)
            others.append(open_store(url, create=True))
        return text

    monkeypatch.setattr(Store, "read", read_and_let_another_begin)
    first = open_store(url, create=True)
    assert first.id == others[0].id == open_store(url).id


def test_what_a_run_refers_to_while_another_one_collects_stays(
    any_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refs = {}
    for name in ("used again", "nobody"):
        (tmp_path / name).write_text(name)
        refs[name] = test_store.ref_of(tmp_path / name)
        any_store.put(tmp_path / name, refs[name])
    age = Store._age

    def age_and_let_another_refer(self: Store, name: str) -> float:
        self.refer("run", [refs["used again"].sha256])
        assert self.has(refs["used again"])  # so it is not uploaded
        return age(self, name)

    monkeypatch.setattr(Store, "_age", age_and_let_another_refer)
    assert any_store.collect(grace_s=-1.0) == 1
    assert [name for name, ref in refs.items() if any_store.has(ref)] == ["used again"]


def test_what_is_removed_before_a_result_refers_to_it_is_sent_again(
    worker_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = module.keep_result

    def collect_and_keep(store: Store, spec: Any, outcome: Outcome) -> None:
        assert store.collect(grace_s=-1.0) == 1
        keep(store, spec, outcome)

    monkeypatch.setattr(module, "keep_result", collect_and_keep)
    outcome = run(spec_of(worker_store))
    assert outcome.state == "done" and all(map(worker_store.has, outcome.files))
    assert run(spec_of(worker_store)).reused


@pytest.mark.parametrize("wanted", [True, False])
def test_a_job_that_comes_back_while_its_files_are_sent_is_not_done_twice(
    worker_store: Store, monkeypatch: pytest.MonkeyPatch, wanted: bool
) -> None:
    sending, go_on, outcomes = threading.Event(), threading.Event(), list[Outcome]()
    send = module.send

    def send_slowly(*arguments: Any, **options: Any) -> None:
        sending.set()
        assert go_on.wait(60)
        send(*arguments, **options)

    monkeypatch.setattr(module, "send", send_slowly)
    first = threading.Thread(target=lambda: outcomes.append(run(spec_of(worker_store))))
    first.start()
    assert sending.wait(60)
    if not wanted:
        monkeypatch.setattr(Wanted, "until", 2)
        assert run(spec_of(worker_store)).state == "stopped"
    second = threading.Thread(target=lambda: outcomes.append(run(spec_of(worker_store))))
    second.start()
    second.join(1.0)
    go_on.set()
    first.join(60)
    second.join(60)
    if wanted:
        done, again = outcomes
        assert (done.state, again.state, again.reused) == ("done", "done", True)
        assert done.fields["process"] == again.fields["process"]


def test_a_result_that_is_too_large_fails_once(worker_store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is no result that another worker could read better."""
    bring = module.outputs_of

    def outputs_of(*arguments: Any) -> Any:
        monkeypatch.setattr(module, "MOST_TEXT", 100)
        return bring(*arguments)

    monkeypatch.setattr(module, "outputs_of", outputs_of)
    outcome = run(spec_of(worker_store))
    assert (outcome.state, outcome.files) == ("failed", ()) and "its result is larger than" in outcome.error
    assert worker_store.names("results") == []


def test_a_gpu_of_a_process_that_still_ends_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, given = Place(tmp_path, announcement("a"), environments=tmp_path, gpus=("0",)), list[str]()

    def take() -> None:
        with place.gpus(1) as devices:
            given.append(devices)

    with place.gpus(1), place.gpus(0) as none:
        waiting = threading.Thread(target=take)
        waiting.start()
        waiting.join(0.3)
        assert (given, none) == ([], "")
        monkeypatch.setattr(place_module, "_GPU_S", 0.1)
        with pytest.raises(JobError, match="no GPU is free"), place.gpus(1):
            pass
    waiting.join(60)
    assert given == ["0"]


@pytest.mark.parametrize("record", ["[", '{"files": [1]}', "[1]", '"text"'])
@pytest.mark.parametrize("folder", ["references", "results"])
def test_a_record_that_cannot_be_read_costs_no_object_and_stops_no_run(
    any_store: Store, tmp_path: Path, record: str, folder: str
) -> None:
    (tmp_path / "file").write_text("of whom?")
    ref = test_store.ref_of(tmp_path / "file")
    any_store.put(tmp_path / "file", ref)
    any_store.write(f"{folder}/other.json", record)
    readable = folder == "references" and record == "[1]"
    assert any_store.collect(grace_s=-1.0) == (1 if readable else 0)
    any_store.remove(f"{folder}/other.json")
    assert any_store.collect(grace_s=-1.0) == (0 if readable else 1)


@pytest.mark.parametrize("marker", ["", "{}", "[]", "{"])
def test_a_damaged_marker_is_one_line(any_store: Store, marker: str) -> None:
    any_store.write("olivepress-store.json", marker)
    with pytest.raises(SetupError, match="is damaged; next: empty the store"):
        any_store.open(create=True)


def test_the_end_of_a_run_leaves_the_references_of_others(any_store: Store, tmp_path: Path) -> None:
    """Of an adapter whose name looks like them, as of any other run."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "file").write_text("of the other one")
    ref = test_store.ref_of(tmp_path / "file")
    other, run_of_it = Run.begin(any_store, ["phi.nowhere"]), Run.begin(any_store, ["phi"])
    other.refer([ref])
    run_of_it.end()
    assert len(any_store.names("references")) == 1
    other.forget()
    assert any_store.names("references") == []
