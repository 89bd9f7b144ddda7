"""Ctrl-C waits for jobs that run, and for none whose worker has died."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

import pytest

from olivepress.run.executors import cluster as module
from olivepress.run.executors.cluster import Cluster


class Died:
    """A future of Dask whose worker died."""

    status = "error"

    def done(self) -> bool:
        return True

    def result(self, timeout: float) -> Any:
        raise RuntimeError("KilledWorker")


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr(module, "_LATE_S", 0.0)
    monkeypatch.setattr(module, "_STOPS_S", 0.3)
    connected = Cluster("tcp://127.0.0.1:1", None, topic="t")
    connected._client = SimpleNamespace(status="running", cancel=lambda *_, **__: None)
    connected._on_event((0.0, {"event": "started", "job": "phi/merge"}))
    return connected


def test_a_job_whose_worker_died_is_not_waited_for(cluster: Cluster) -> None:
    cluster._futures["phi/merge"] = Died()
    assert [each.error for each in cluster.ended()] == ["RuntimeError: KilledWorker"]
    assert [event["event"] for event in cluster.events()] == ["started"]
    assert cluster.stop()


def test_what_does_not_answer_is_waited_for_once(cluster: Cluster) -> None:
    """A search goes on after a trial that it stopped."""
    assert not cluster.stop()
    began = time.monotonic()
    assert cluster.stop() and time.monotonic() - began < 0.2


def test_a_job_that_runs_is_waited_for(cluster: Cluster) -> None:
    cluster._client.cancel = lambda *_, **__: cluster._on_event((0.0, {"event": "ended", "job": "phi/merge"}))
    assert cluster.stop()
