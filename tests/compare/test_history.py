"""A metric over commits of a real repository, and where it changed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from olivepress.compare.history import NOT_COMMITTED, Series, change_points, read_history
from olivepress.compare.render.history_page import history_html
from olivepress.core.errors import UsageError
from olivepress.report.device_report import measured, write_report
from tests.report.factory import make_report


def test_change_points_are_those_planted() -> None:
    rng = np.random.default_rng(2)
    values = [*rng.normal(100, 1, 12), *rng.normal(90, 1, 10), *rng.normal(95, 1, 9)]
    assert change_points(values) == [12, 22]
    assert change_points(list(rng.normal(100, 1, 40))) == []
    assert change_points([5.0] * 20) == [] and change_points([1.0, 2.0, 3.0]) == []


def test_equal_levels_are_seldom_called_changed() -> None:
    rng = np.random.default_rng(7)
    false = sum(bool(change_points(list(rng.normal(50, 1, 20)))) for _ in range(200))
    assert false <= 20  # one in ten at most, over all positions of a series


def test_the_history_of_a_repository(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, olivepress: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="next: run it in the repository"):
        read_history()

    def git(*arguments: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
        subprocess.run(["git", *who, *arguments], check=True, capture_output=True)

    git("init", "-q")
    path = Path("benchmarks", "results", "box", "tiny", "cpu-int4.json")

    def put(day: int, rate: float) -> None:
        metrics = {"decode_tps": measured("decode_tps", rate, n=3)}
        write_report(make_report(metrics=metrics, created_at=f"2026-01-{day:02d}T00:00:00+00:00"), path)

    for day, rate in enumerate([100.0, 101.0, 99.0, 100.5, 80.0, 81.0, 79.5, 80.5], start=1):
        put(day, rate)
        git("add", "-A")
        git("commit", "-q", "-m", f"day {day}")
    put(9, 80.2)
    (series,), refused = read_history()
    assert (series.machine, series.recipe, series.job, series.metric) == (
        "x86_64-test-2c",
        "tiny",
        "cpu-int4",
        "decode_tps",
    )
    assert [point.value for point in series.points][:5] == [100.0, 101.0, 99.0, 100.5, 80.0]
    assert series.changes == (4,) and not refused
    assert series.points[-1].commit == NOT_COMMITTED and len(series.points[0].commit) == 40
    # What an older olivepress wrote is told, and does not stop the rest.
    path.with_name("old.json").write_text('{"schema_version": 1}')
    git("add", "-A")
    git("commit", "-q", "-m", "old")
    path.with_name("old.json").unlink()
    (series,), refused = read_history()
    assert len(refused) == 1 and "schema version 1" in refused[0]
    done = olivepress("history")
    assert (
        done.returncode == 0 and "decode_tps: 9 reports, 1 changes" in done.stdout and "schema version 1" in done.stderr
    )
    page = Path("benchmarks", "results", "index.html").read_text()
    assert "new level from" in page and "100 tok/s" in page and "<svg" in page and "<script" not in page
    hostile = Series(
        machine="<b>m", recipe="<i>r", job="<script>j", metric="decode_tps", points=series.points, changes=()
    )
    shown = history_html([hostile], ["<u>bad"])
    assert not any(tag in shown for tag in ("<b>m", "<i>r", "<script>j", "<u>bad"))
