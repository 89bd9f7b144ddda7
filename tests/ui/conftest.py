"""An empty project that the test runs in, and a client that asks as a browser on this machine does."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi", reason="the ui extra is not installed")

Ask = Callable[..., Any]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def ask() -> Ask:
    """The answer to a GET of a path."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Starlette asks for httpx2, which is no release of httpx
        from fastapi.testclient import TestClient

    from olivepress.ui.app import make_app

    client = TestClient(make_app(), base_url="http://127.0.0.1:8000", raise_server_exceptions=False)

    def get(path: str, method: str = "GET", **headers: str) -> Any:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return client.request(method, path, headers=names, follow_redirects=False)

    return get
