"""A project with an MLflow registry of its own: SQLite, its tables made once for all tests."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.registry.project import write_recipe
from tests.track.conftest import empty_database, forget_connections

__all__ = ["empty_database", "here", "registry_file"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project with a recipe, in which the test runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing here is to survive a loss of power
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    write_recipe()
    return tmp_path


@pytest.fixture
def registry_file(here: Path, empty_database: Path) -> Path:
    """The embedded registry of that project."""
    shutil.copy(empty_database, here / "mlflow.db")
    forget_model_registries()
    return here / "mlflow.db"


def forget_model_registries() -> None:
    """MLflow keeps a registry for each address: another folder's file would be taken for it."""
    from mlflow.store.model_registry import sqlalchemy_store
    from mlflow.tracking._model_registry import utils

    forget_connections()
    known = utils._get_store_registry()
    known._get_store_with_resolved_uri.cache_clear()
    sqlalchemy_store.SqlAlchemyStore._engine_map.clear()
