"""What is recorded arrives in MLflow, in order and once, whatever happens in between."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from olivepress.track import deliver as module
from olivepress.track.cursor import cursor_path, read_cursor
from olivepress.track.deliver import Delivered, Delivery, deliver
from olivepress.track.mlflow_store import MlflowStore
from olivepress.track.record import Ended, Figure, Files, Measured, Point, Points, Resumed
from olivepress.track.store import Store
from olivepress.track.writer import RunWriter
from tests.track.conftest import forget_connections, start

SHA256 = "5" * 64


def send(**spec: Any) -> Delivered:
    return deliver(Delivery(**spec), lambda done, total: None)


def runs() -> dict[str, Any]:
    """Name → run of everything in the store that is not deleted."""
    client = MlflowClient("sqlite:///mlflow.db")
    experiment = client.get_experiment_by_name("olivepress")
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    assert len({run.info.run_name for run in found}) == len(found), "no run twice"
    return {run.info.run_name: run for run in found}


def curve(run: Any, name: str = "loss") -> list[tuple[int, float]]:
    history = MlflowClient("sqlite:///mlflow.db").get_metric_history(run.info.run_id, name)
    return sorted((each.step, each.value) for each in history)


def add_points(writer: RunWriter, steps: range) -> None:
    points = tuple(Point(step=step, at=writer.now() + step, values={"loss": 5.0 - step / 100}) for step in steps)
    writer.append(Points(points=points))


def whole_run(store: Store, job: str = "finetune") -> RunWriter:
    """A record with everything that one can have."""
    writer = start(store, job, params={"finetune.r": "16", "data.source": "lamps.csv"})
    for begin in (0, 10, 20):
        add_points(writer, range(begin, begin + 10))
    metrics = {"seconds": Figure(value=12.5), "check.kl": Figure(value=0.1, ci_low=0.05, ci_high=0.2)}
    writer.append(Ended(at=writer.now(), status="finished", sha256=SHA256, metrics=metrics))
    return writer


EXPECTED = [(step, 5.0 - step / 100) for step in range(30)]


def test_a_run_arrives_whole(store: Store) -> None:
    start(store, "recipe", kind="recipe")
    whole_run(store)
    assert send() == Delivered(sent=6, left=0)  # the recipe's line, and five
    found = runs()
    run, parent = found["lamps/finetune.1"], found["lamps"]
    assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
    assert run.data.params == {"finetune.r": "16", "data.source": "lamps.csv"}
    assert run.data.tags["olivepress.artifact_sha256"] == SHA256 and run.data.tags["olivepress.seed"] == "3"
    assert run.data.metrics["seconds"] == 12.5
    assert [run.data.metrics[f"check.kl{end}"] for end in ("", ".ci_low", ".ci_high")] == [0.1, 0.05, 0.2]
    assert curve(run) == EXPECTED
    assert run.info.status == "FINISHED" and run.info.end_time >= run.info.start_time
    data = run.inputs.dataset_inputs[0]
    assert data.dataset.name == "lamps" and {tag.key: tag.value for tag in data.tags}["sha256"] == "ab" * 32
    assert send() == Delivered()


def test_an_export_becomes_a_model_with_what_devices_measured(store: Store) -> None:
    writer = whole_run(store, "export-cpu-int4")
    assert send().left == 0
    for machine, value in (("desk", 80.0), ("phone", 9.5)):  # measured later, elsewhere
        metrics = {"decode_tps": Figure(value=value, unit="tok/s", ci_low=value - 1, ci_high=value + 1, n=30)}
        writer.append(
            Measured(at=writer.now(), machine=machine, job="export-cpu-int4", report_sha256=machine * 8,
                     artifact_sha256=SHA256, metrics=metrics)
        )  # fmt: skip
    assert send() == Delivered(sent=2, left=0)
    client, run = MlflowClient("sqlite:///mlflow.db"), runs()["lamps/export-cpu-int4.1"]
    (model,) = client.search_logged_models([run.info.experiment_id])
    assert model.tags["sha256"] == SHA256 and model.source_run_id == run.info.run_id
    assert model.tags["olivepress.path"] == "runs/lamps/export-cpu-int4"
    assert [output.model_id for output in run.outputs.model_outputs] == [model.model_id]  # its page links to the model
    measured = {metric.key: metric.value for metric in model.metrics}
    assert measured["desk/decode_tps"] == 80.0 and measured["phone/decode_tps.ci_low"] == 8.5
    assert not list(Path().rglob("*.onnx")) and not list(Path("mlruns").rglob("*"))


def test_pages_are_copied_and_what_is_gone_is_left_out(store: Store) -> None:
    writer = start(store, "recipe", kind="recipe")
    page = Path("runs", "lamps", "report", "report.html")
    page.parent.mkdir()
    page.write_text("<p>lamps</p>")
    writer.append(Files(at=writer.now(), files=(page.as_posix(), "runs/lamps/report/gone.png")))
    assert send().left == 0
    (copy,) = Path("mlruns").rglob("*.html")
    assert copy.read_text() == "<p>lamps</p>" and copy.parent.name == "report"


class Killed(BaseException):
    """kill -9, as far as a process can do that to itself."""


@pytest.mark.parametrize("arrives", [False, True])
def test_killed_at_every_request_everything_arrives_once(
    store: Store, arrives: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each request in turn is the last of its process: it arrives and the answer is lost, or it does not arrive."""
    whole_run(store, "export-cpu-int4")
    for name in ("begin", "points", "figures", "model", "end"):
        original = getattr(MlflowStore, name)

        def request(self: Any, *arguments: Any, original: Any = original) -> None:
            if arrives:
                original(self, *arguments)
            raise Killed

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(MlflowStore, name, request)
            send()
    assert send().left == 0
    run = runs()["lamps/export-cpu-int4.1"]
    assert curve(run) == EXPECTED and run.info.status == "FINISHED"
    assert len(MlflowClient("sqlite:///mlflow.db").search_logged_models([run.info.experiment_id])) == 1
    assert len(run.outputs.model_outputs) == 1


def test_a_lost_cursor_changes_nothing(store: Store) -> None:
    writer = whole_run(store, "export-cpu-int4")
    send()
    before = runs()["lamps/export-cpu-int4.1"]
    for text in (None, "{", '{"sqlite:///mlflow.db": {"lines": -1}}', '{"sqlite:///mlflow.db": {"no": 1}}'):
        path = cursor_path(writer.path)
        path.unlink() if text is None else path.write_text(text)
        assert send() == Delivered(sent=5, left=0)
        again = runs()["lamps/export-cpu-int4.1"]
        assert again.info.run_id == before.info.run_id and curve(again) == EXPECTED


def test_a_locked_database_is_one_line_and_loses_nothing(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_SQLALCHEMYSTORE_POOLCLASS", "NullPool")
    whole_run(store)
    other = sqlite3.connect("mlflow.db", isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    answer = send()
    assert answer.problem == "database is locked" and answer.left == 5
    other.execute("ROLLBACK")
    other.close()
    assert send() == Delivered(sent=5, left=0)
    assert curve(runs()["lamps/finetune.1"]) == EXPECTED


@pytest.mark.parametrize(
    ("pragma", "says"), [("max_page_count = 1", "database or disk is full"), ("query_only = 1", "readonly database")]
)
def test_a_full_or_read_only_store_is_one_line_and_loses_nothing(store: Store, pragma: str, says: str) -> None:
    from sqlalchemy import Engine, event

    def limit(connection: sqlite3.Connection, _: object) -> None:
        connection.execute(f"PRAGMA {pragma}")  # a size below the present one is the present one

    writer = start(store)
    for begin in range(0, 300, 10):
        add_points(writer, range(begin, begin + 10))
    event.listen(Engine, "connect", limit)
    try:
        answer = send()
    finally:
        event.remove(Engine, "connect", limit)
    assert says in answer.problem and "\n" not in answer.problem and answer.left > 0
    forget_connections()
    assert send().left == 0
    assert curve(runs()["lamps/finetune.1"]) == [(step, 5.0 - step / 100) for step in range(300)]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("UPDATE alembic_version SET version_num = 'from_the_future'", "schema of another version"),
        ("ALTER TABLE metrics RENAME COLUMN step TO paces", "no column named step"),
    ],
)
def test_a_strange_database_is_one_line(store: Store, statement: str, expected: str) -> None:
    whole_run(store)
    with sqlite3.connect("mlflow.db") as other:
        other.execute(statement)
    other.close()
    answer = send()
    assert expected in answer.problem and "\n" not in answer.problem and len(answer.problem) <= 160
    assert answer.left + answer.sent == 5 and answer.left


def test_a_file_that_is_no_database(store: Store) -> None:
    whole_run(store)
    Path("mlflow.db").write_text("not a database, but long enough to be taken for one" * 40)
    assert send().problem == "file is not a database"


def test_a_run_that_was_deleted_stays_deleted(store: Store) -> None:
    writer = whole_run(store)
    send()
    MlflowClient("sqlite:///mlflow.db").delete_run(runs()["lamps/finetune.1"].info.run_id)
    writer.append(Resumed(at=writer.now()))
    add_points(writer, range(30, 40))
    answer = send()
    assert answer.notes == ("lamps/finetune.1 was deleted in the store: nothing more of it is sent",)
    assert answer.left == 0
    assert runs() == {} and send() == Delivered()


@pytest.mark.parametrize("is_known", [True, False], ids=["while it sends", "before"])
def test_a_deleted_experiment_is_one_line_and_loses_nothing(store: Store, is_known: bool) -> None:
    """Nothing can be written to it until somebody restores it (mlflow/mlflow issues 2690 and 6445)."""
    whole_run(store, "merge")
    send()
    client = MlflowClient("sqlite:///mlflow.db")
    experiment = client.get_experiment_by_name("olivepress")
    assert experiment is not None
    client.delete_experiment(experiment.experiment_id)
    if not is_known:
        forget_connections()
    whole_run(store)
    answer = send()
    assert (answer.sent, answer.refused, answer.left) == (0, 0, 5)
    assert answer.problem.startswith("experiment olivepress was deleted (")
    client.restore_experiment(experiment.experiment_id)
    assert send() == Delivered(sent=5)
    assert curve(runs()["lamps/finetune.1"]) == EXPECTED


def test_a_deleted_parent_is_made_again(store: Store) -> None:
    start(store, "recipe", kind="recipe")
    whole_run(store, "merge")
    send()
    client = MlflowClient("sqlite:///mlflow.db")
    client.delete_run(runs()["lamps"].info.run_id)
    whole_run(store)
    assert send().left == 0
    found = runs()
    assert found["lamps/finetune.1"].data.tags["mlflow.parentRunId"] == found["lamps"].info.run_id


def test_a_refused_line_does_not_stop_the_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that the store will never take is counted and said, and what comes after it arrives."""
    from mlflow.exceptions import MlflowException

    def refuse(self: MlflowStore, *arguments: Any) -> None:
        raise MlflowException.invalid_parameter_value("no such metrics here")

    whole_run(store)
    with monkeypatch.context() as patch:
        patch.setattr(MlflowStore, "points", refuse)
        assert send() == Delivered(
            sent=5, refused=3, left=0, notes=("lamps/finetune.1: the store refused 3 of its lines",)
        )
    assert runs()["lamps/finetune.1"].info.status == "FINISHED"


def test_two_stores_get_their_own_runs(store: Store, monkeypatch: pytest.MonkeyPatch, empty_database: Path) -> None:
    start(store, "recipe", kind="recipe")
    whole_run(store, "merge")
    send()
    shutil.copy(empty_database, "team.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///team.db")
    forget_connections()
    from olivepress.track.store import store_here

    team = store_here()
    assert team is not None
    whole_run(team)
    assert send() == Delivered(sent=5, left=0)
    client = MlflowClient("sqlite:///team.db")
    names = {
        run.info.run_name for run in client.search_runs([client.get_experiment_by_name("olivepress").experiment_id])
    }
    assert names == {"lamps/finetune.1", "lamps"}  # with its parent, without the other store's run
    assert read_cursor(Path("runs/lamps/records/merge.1.jsonl"), team.name).lines == 0


def test_a_removed_record_is_not_made_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    whole_run(store)
    original = MlflowStore.begin

    def begin(self: MlflowStore, *arguments: Any) -> str:
        shutil.rmtree("runs/lamps")
        return original(self, *arguments)

    monkeypatch.setattr(MlflowStore, "begin", begin)
    assert send().problem == ""
    assert not Path("runs/lamps").exists()


def test_a_truncated_line_costs_itself(store: Store) -> None:
    writer = start(store)
    add_points(writer, range(10))
    with writer.path.open("ab") as file:
        file.write(b'{"type": "points", "poi')
    add_points(writer, range(10, 20))
    assert send().left == 0
    assert curve(runs()["lamps/finetune.1"]) == EXPECTED[:20]


def test_another_sender_is_waited_for(store: Store) -> None:
    from olivepress.core.layout import TRACKING
    from olivepress.core.process import exclusive

    whole_run(store)
    with exclusive(TRACKING):
        assert send().busy
    assert send().left == 0


def test_a_record_that_has_arrived_is_not_read_again(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hundreds of old runs cost nothing when a new one is sent."""
    whole_run(store, "merge")
    send()
    read = list[str]()
    original = module.read_lines
    monkeypatch.setattr(module, "read_lines", lambda path: read.append(path.name) or original(path))
    writer = whole_run(store)
    assert send() == Delivered(sent=5, left=0)
    assert read == [writer.path.name]
    assert send() == Delivered() and read == [writer.path.name]


def test_a_server_that_is_down_is_one_line(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    forget_connections()
    there = module.store_here()
    assert there is not None
    whole_run(there)
    answer = send()
    assert answer.left == 5 and answer.problem in ("connection refused", "max retries exceeded")


def test_a_record_that_is_refused_does_not_stop_the_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    from mlflow.exceptions import MlflowException

    original = MlflowStore.begin

    def refuse(self: MlflowStore, started: Any, parent: str | None) -> str:
        if started.job == "finetune":
            raise MlflowException.invalid_parameter_value("no such name here")
        return original(self, started, parent)

    whole_run(store)
    whole_run(store, "merge")
    monkeypatch.setattr(MlflowStore, "begin", refuse)
    answer = send()
    assert (answer.sent, answer.refused, answer.left, answer.problem) == (10, 5, 0, "")
    assert set(runs()) == {"lamps/merge.1"}


def test_an_error_of_a_single_record_does_not_stop_the_others(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    original = MlflowStore.begin

    def fail(self: MlflowStore, started: Any, parent: str | None) -> str:
        if started.job == "finetune":
            raise RuntimeError("what nobody thought of")
        return original(self, started, parent)

    whole_run(store)
    whole_run(store, "merge")
    monkeypatch.setattr(MlflowStore, "begin", fail)
    answer = send()
    assert (answer.sent, answer.left, answer.problem) == (5, 5, "lamps/finetune.1: what nobody thought of")


def test_free_names_become_different_parameters(store: Store) -> None:
    names = [">50K", "<50K", "a/", "A//B", "a/b", "..", "/x", "-" * 300, "-" * 301]
    start(store, params={f"w.{name}": str(number) for number, name in enumerate(names)} | {"..": "top", "/": "root"})
    assert send() == Delivered(sent=1, left=0)
    params = runs()["lamps/finetune.1"].data.params
    assert sorted(params.values()) == sorted([*map(str, range(len(names))), "top", "root"])
    assert (params["w._50K"], params["w._50K_2"]) == ("0", "1")


def test_of_a_reason_no_password_of_an_address_is_sent(store: Store) -> None:
    writer = start(store)
    reason = "https://mary:se%40cret@mirror.example/phi/model.bin?token=abc: 403 Forbidden"
    writer.append(Ended(at=writer.now(), status="failed", reason=reason))
    assert send().left == 0
    sent = runs()["lamps/finetune.1"].data.tags["olivepress.reason"]
    assert sent == "https://mirror.example/phi/model.bin 403 Forbidden"


def test_of_a_reason_no_absolute_path_is_sent(store: Store) -> None:
    writer = start(store)
    reason = (
        f"no {Path.cwd()}/runs/x.bin, '/home/ann lee/my data/rows.csv' and C:\\Users\\ann\\m.onnx at https://a.org/b/c"
    )
    writer.append(Ended(at=writer.now(), status="failed", reason=reason))
    assert send().left == 0
    sent = runs()["lamps/finetune.1"].data.tags["olivepress.reason"]
    assert sent == "no x.bin, 'rows.csv' and m.onnx at https://a.org/b/c"


def test_a_project_that_was_moved_is_said(store: Store, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    whole_run(store)
    assert send().left == 0
    there = tmp_path / "moved"
    there.mkdir()
    for name in ("runs", "mlflow.db"):
        shutil.move(name, there / name)
    monkeypatch.chdir(there)
    forget_connections()
    whole_run(store)
    answer = send()
    assert answer.left == 5 and answer.problem.startswith(
        "experiment olivepress keeps its files where this project was"
    )
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "moved")
    assert send() == Delivered(sent=5, left=0)
