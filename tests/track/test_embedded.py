"""The file of the embedded store is there with all of MLflow's tables, or not at all."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from olivepress.core.errors import JobError
from olivepress.core.layout import STORE_LOCK
from olivepress.core.process import exclusive
from olivepress.track.embedded import create_embedded
from olivepress.track.store import EMBEDDED, EMBEDDED_FILE
from tests.track.conftest import forget_connections

COMMAND = [sys.executable, "-c", "from olivepress.track.embedded import create_embedded; create_embedded()"]


def test_killed_while_it_is_created_and_then_two_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    partial, deadline = STORE_LOCK / "partial.db", time.monotonic() + 300
    killed = subprocess.Popen(COMMAND)
    while not (partial.is_file() and partial.stat().st_size):
        assert killed.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.5)  # among MLflow's migrations
    killed.kill()
    killed.wait()
    assert partial.is_file() and not EMBEDDED_FILE.exists()

    both = [subprocess.Popen(COMMAND, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ends = [(each.communicate(timeout=300)[1], each.returncode) for each in both]
    assert any(code == 0 for _, code in ends), ends
    assert all(code == 0 or "another process is creating it" in error for error, code in ends), ends
    assert [path.name for path in STORE_LOCK.iterdir()] == [".lock"]
    check_store()


def check_store() -> None:
    """MLflow reads it and has no table to add."""
    from mlflow import MlflowClient

    forget_connections()
    before = tables()
    assert MlflowClient(EMBEDDED, registry_uri=EMBEDDED).search_registered_models() == []
    assert tables() == before and len(before) > 40


def tables() -> list[str]:
    with closing(sqlite3.connect(EMBEDDED_FILE)) as database:
        return [row[0] for row in database.execute("select sql from sqlite_master where type = 'table' order by name")]


def test_who_comes_second_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with exclusive(STORE_LOCK), pytest.raises(JobError, match=r"mlflow\.db: another process is creating it; next: "):
        create_embedded()
    assert not EMBEDDED_FILE.exists()


def test_a_file_that_is_there_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    EMBEDDED_FILE.write_bytes(b"somebody's")
    create_embedded()
    assert EMBEDDED_FILE.read_bytes() == b"somebody's" and not STORE_LOCK.exists()
