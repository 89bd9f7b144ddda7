"""Children of a bench session that share a process."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.child.run import Call, ChildDied, TaskProcess, task_process
from olivepress.measure import bench_session
from olivepress.measure.bench_session import BenchSession


def probe(session: BenchSession, number: int) -> dict[str, Any]:
    return session.run("probe", {"provider": "CPUExecutionProvider", "number": number})


def test_one_process_for_a_block_and_another_one_after_a_crash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[TaskProcess] = []

    @contextlib.contextmanager
    def counted(call: Call) -> Iterator[TaskProcess]:
        with task_process(call) as process:
            started.append(process)
            yield process

    monkeypatch.setattr(bench_session, "task_process", counted)
    session = BenchSession(folder=tmp_path, identity="")
    with session.one_process():
        assert not started  # nothing may be left to measure
        for number in (0, 1):
            assert probe(session, number)["peak_rss_bytes"] > 10_000_000
        assert len(started) == 1
        started[0]._process.kill()
        with pytest.raises(ChildDied, match="the probe process was killed by SIGKILL"):
            probe(session, 2)
        assert probe(session, 2)["peak_rss_bytes"] > 10_000_000
    assert len(started) == 2
    assert all(one._process.poll() is not None for one in started)
    assert probe(session, 3)["seconds"] > 0 and len(started) == 2
    with session.one_process():
        probe(session, 0)
    assert session.resumed and len(started) == 2
