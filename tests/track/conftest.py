"""A project with an MLflow store of its own: SQLite, its tables made once for all tests."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from olivepress.track.deliver import _client
from olivepress.track.record import Facts
from olivepress.track.store import Store, store_here
from olivepress.track.writer import RunWriter, begin_run


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(f"sqlite:///{path}").search_experiments()
    return path


@pytest.fixture
def store(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The embedded store of an empty project, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OLIVEPRESS_TRACKING", "on")
    shutil.copy(empty_database, tmp_path / "mlflow.db")
    # Each test has a file of its own under one relative address.
    forget_connections()
    found = store_here()
    assert found is not None
    return found


def forget_connections() -> None:
    """MLflow keeps a store for each address: another folder's file would be taken for it."""
    from mlflow.tracking._tracking_service import utils

    _client.cache_clear()
    utils._tracking_store_registry._get_store_with_resolved_uri.cache_clear()
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    SqlAlchemyStore._engine_map.clear()


def start(store: Store | None, job: str = "finetune", *, recipe: str = "lamps", **more: Any) -> RunWriter:
    """The record of a job that starts."""
    facts = Facts(dataset="lamps", dataset_version="ab" * 32, seed=3)
    named = {"kind": job.partition("-")[0], "facts": facts, "warn": print} | more
    writer = begin_run(recipe, job, store=store.name if store else None, **named)
    assert writer is not None
    return writer
