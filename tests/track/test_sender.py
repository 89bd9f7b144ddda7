"""Whether and where runs are sent; the work waits for nothing but its end, and there is one warning."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from olivepress.core.errors import SetupError, UsageError
from olivepress.track import store as store_module
from olivepress.track.deliver import Delivered
from olivepress.track.record import Ended
from olivepress.track.sender import NOT_INSTALLED, Sender, send_now
from olivepress.track.store import EMBEDDED, Store, store_here, without_secrets
from tests.track.conftest import start


@pytest.mark.parametrize(
    ("environment", "recipe_says", "expected"),
    [
        ({}, None, (EMBEDDED, False)),
        ({}, True, (EMBEDDED, True)),
        ({}, False, None),
        ({"OLIVEPRESS_TRACKING": "on"}, False, (EMBEDDED, True)),
        ({"OLIVEPRESS_TRACKING": "off", "MLFLOW_TRACKING_URI": "http://mlflow"}, True, None),
        ({"MLFLOW_TRACKING_URI": "http://me:secret@mlflow:5000"}, None, ("http://mlflow:5000", True)),
    ],
)
def test_which_store(
    environment: Mapping[str, str], recipe_says: bool | None, expected: tuple[str, bool] | None
) -> None:
    store = store_here(recipe_says, environment)
    assert (None if store is None else (store.name, store.asked)) == expected


def test_a_switch_that_is_neither_on_nor_off() -> None:
    with pytest.raises(UsageError, match="expected on or off"):
        store_here(None, {"OLIVEPRESS_TRACKING": "maybe"})


def test_no_password_is_shown() -> None:
    assert without_secrets("http://me:secret@host/x and https://t0ken@other") == "http://host/x and https://other"


@pytest.mark.parametrize(("asked", "expected"), [(False, []), (True, [NOT_INSTALLED])])
def test_without_mlflow_silence_unless_it_was_asked_for(
    asked: bool, expected: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(store_module, "find_spec", lambda name: None)
    store = store_here(asked or None, {})
    warnings = list[str]()
    start(store)
    with Sender(store, warnings.append):
        pass
    assert warnings == expected
    send_now(store, warnings.append)
    assert warnings == expected * 2


def no_server(port: int) -> Store:
    uri = f"http://127.0.0.1:{port}"
    return Store(uri=uri, name=uri, experiment="olivepress", asked=True, installed=True)


def priority_of_the_sender() -> int:
    """As soon as its process has started."""
    while True:
        for child in psutil.Process().children():
            with suppress(psutil.Error):  # another child, which has just ended
                if "olivepress.core.child.serve" in child.cmdline():
                    return int(child.nice())
        time.sleep(0.01)


def test_a_server_that_never_answers_is_one_warning_and_a_bounded_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        store = no_server(server.getsockname()[1])
        monkeypatch.setenv("MLFLOW_TRACKING_URI", store.uri)
        monkeypatch.setenv("OLIVEPRESS_TRACKING", "on")
        warnings = list[str]()
        begun = list[float]()
        with Sender(store, warnings.append, interval_s=0.05, at_the_end_s=1.0):
            writer = start(store)
            writer.append(Ended(at=writer.now(), status="finished"))
            assert sys.platform == "win32" or priority_of_the_sender() == 19
            begun.append(time.monotonic())
        assert time.monotonic() - begun[0] < 30  # the connection alone would wait for minutes
    assert len(warnings) == 1 and warnings[0].startswith("tracking: ") and "runs send" in warnings[0]
    assert writer.path.is_file()
    assert not [thread for thread in threading.enumerate() if thread.name == "tracking" and thread.is_alive()]


def test_what_was_recorded_while_the_work_went_on_has_arrived_at_its_end(store: Store) -> None:
    from tests.track.test_deliver import EXPECTED, curve, runs, whole_run

    warnings = list[str]()
    with Sender(store, warnings.append, interval_s=0.05, at_the_end_s=900):
        whole_run(store)
    assert warnings == []
    assert curve(runs()["lamps/finetune.1"]) == EXPECTED


def test_mlflow_is_not_imported_by_the_work(store: Store) -> None:
    import subprocess

    code = "import sys; import olivepress.track.sender, olivepress.track.runs, olivepress.pipeline.tracking; "
    code += "sys.exit('mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    ("uri", "name"),
    [
        ("postgresql://u:p/w@host/db?password=secret", "postgresql://host/db"),
        ("postgresql://u:p@ss@host/db", "postgresql://host/db"),
        ("https://host/x?token=a@b", "https://"),
        ("sqlite:///mlflow.db", "sqlite:///mlflow.db"),
        ("http://127.0.0.1:5000", "http://127.0.0.1:5000"),
    ],
)
def test_a_name_has_no_password(uri: str, name: str) -> None:
    store = store_here(None, {"MLFLOW_TRACKING_URI": uri})
    assert store is not None and (store.uri, store.name) == (uri, name)
    assert without_secrets(f"no answer of {uri} at all") == f"no answer of {name} at all"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Delivered(sent=5, refused=2), "3 records sent, 2 refused, 0 wait"),
        (Delivered(sent=5, left=3), "5 records sent, 0 refused, 3 wait"),
        (Delivered(left=3, problem="timed out"), "timed out; 3 records wait"),
    ],
)
def test_runs_send_fails_where_records_are_left(
    project: Path, monkeypatch: pytest.MonkeyPatch, olivepress_here: Any, answer: Delivered, said: str
) -> None:
    monkeypatch.setenv("OLIVEPRESS_TRACKING", "on")
    monkeypatch.setattr("olivepress.track.sender.send_now", lambda *_, **__: answer)
    done = olivepress_here("runs", "send")
    assert done.returncode != 0 and said in done.stderr


def test_a_server_that_fails_late_is_an_error(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from olivepress.track import server

    monkeypatch.setattr(server, "is_created", lambda env: True)
    monkeypatch.setattr(server, "server_command", lambda *_: [sys.executable, "-c", "raise SystemExit(3)"])
    with pytest.raises(SetupError, match=r"mlflow\.db: not in this folder"):
        server.serve(5000, on_start=print)
    Path("mlflow.db").touch()
    with pytest.raises(SetupError, match="ended with exit code 3"):
        server.serve(5000, on_start=print)
