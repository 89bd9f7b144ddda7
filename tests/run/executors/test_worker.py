"""How a worker connects: nothing of a try that failed is left, and what can never be is not tried again."""

from __future__ import annotations

import asyncio
import shutil
import socket
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from olivepress.core.errors import SetupError
from olivepress.run.executors import worker as module
from olivepress.run.executors.address import security_of
from olivepress.run.executors.place import Place
from tests.run.executors.cluster_here import announcement, cluster_here
from tests.run.executors.test_tls import certificates

pytest.importorskip("distributed", reason="the extra cluster is not installed")


def connect(address: str, folder: Path, security: Any, limit_s: float) -> Any:
    place = Place(folder, announcement("one"), environments=folder / "none", gpus=())

    async def serve() -> Any:
        return await module._connect(address, place, security, asyncio.Event(), limit_s)

    return asyncio.run(serve())


def listening() -> int:
    return sum(each.status == psutil.CONN_LISTEN for each in psutil.Process().net_connections())


def test_a_try_that_took_too_long_leaves_nothing_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A scheduler that accepts connections and then says nothing to the worker."""

    class Called:
        async def close(self) -> None: ...

    async def call(*_: Any, **__: Any) -> Called:
        return Called()

    monkeypatch.setattr("distributed.comm.connect", call)
    monkeypatch.setattr(module, "_START_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        before = listening()
        with pytest.raises(SetupError, match="no scheduler answers"):
            connect(f"tcp://127.0.0.1:{silent.getsockname()[1]}", tmp_path, None, 3.0)
        assert listening() == before
    assert not list((tmp_path / "dask").rglob("worker-*"))


def test_a_scheduler_that_is_not_there_is_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_CALL_S", 0.5)
    with pytest.raises(SetupError, match=r"no scheduler answers \(Timed out trying to connect to tcp://127.0.0.1:9"):
        connect("tcp://127.0.0.1:9", tmp_path, None, 0.0)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
def test_a_certificate_that_does_not_fit_is_not_tried_again(tmp_path: Path) -> None:
    own, foreign = certificates(tmp_path / "own"), certificates(tmp_path / "foreign")
    with cluster_here(tmp_path / "cluster", tls=own) as started:
        with pytest.raises(SetupError):  # until it listens
            connect(started.address.replace("tls", "tcp"), tmp_path / "plain", None, 5.0)
        began = time.monotonic()
        with pytest.raises(SetupError, match=r"\(.*certificate.*\)"):
            connect(started.address, tmp_path / "worker", security_of(foreign), 900.0)
        assert time.monotonic() - began < 300.0
