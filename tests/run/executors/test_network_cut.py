"""A network that is cut and healed between a worker and its scheduler: nothing is lost, nothing is done twice."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from olivepress.run.executors.cluster import Cluster
from olivepress.run.executors.engine import run_tasks
from olivepress.run.executors.store import open_store
from tests.run.executors.cluster_here import Silent, announcement, assert_done_once, cluster_here, echoes

pytest.importorskip("distributed", reason="the extra cluster is not installed")


class Wire:
    """Passes connections on to a port of this machine, until it is cut."""

    def __init__(self, target: int) -> None:
        self.target, self.whole, self.passed = target, True, 0
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # it is closed at the end
            while True:
                near, _ = self._listener.accept()
                if not self.whole:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self.target))
                self.passed += 1
                self._open += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=_pump, args=(one, other), daemon=True).start()

    def cut(self) -> None:
        self.whole = False
        for each in self._open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._open.clear()

    def heal(self) -> None:
        self.whole = True

    def close(self) -> None:
        self.cut()
        self._listener.close()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for each in (one, other):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@contextlib.contextmanager
def wire(target: int) -> Iterator[Wire]:
    between = Wire(target)
    try:
        yield between
    finally:
        between.close()


@pytest.mark.cluster
def test_a_network_that_is_cut_and_healed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store(str(tmp_path / "store"), create=True)
    with cluster_here(tmp_path / "cluster", announcement("near")) as started, wire(started.port) as between:
        started.start_worker(announcement("far"), address=f"tcp://127.0.0.1:{between.port}")
        started.wait_for(2)

        class Cutting(Silent):
            cut_at = 0.0

            def event(self, message: Any) -> None:
                super().event(message)
                if not self.cut_at and message["event"] == "started" and message["machine"] == "far":
                    self.cut_at = time.monotonic()
                    between.cut()

            def tick(self) -> None:
                if self.cut_at and not between.whole and time.monotonic() - self.cut_at > 2.0:
                    between.heal()

        tasks, follower = echoes(store, "test", {f"job{number}": [] for number in range(16)}, seconds=0.6), Cutting()
        with Cluster(started.address, None, topic="test") as cluster:
            run_tasks(tasks, cluster, follower)
        assert follower.cut_at and between.passed > 1
        assert_done_once(tasks)
        log = (tmp_path / "cluster" / "far.log").read_text()
        assert "the scheduler is gone" in log and log.count("connected to") >= 2
