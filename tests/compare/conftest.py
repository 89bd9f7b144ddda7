from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from olivepress.report.device_report import DatasetUsed, Measurement, write_report
from olivepress.report.registry import METRICS
from tests.report.factory import make_report

WriteReport = Callable[..., Path]


def value(name: str, number: float, n: int = 4, low: float | None = None, high: float | None = None) -> Measurement:
    return Measurement(value=number, unit=METRICS[name].unit, n=n, ci_low=low, ci_high=high)


@pytest.fixture
def put(tmp_path: Path) -> WriteReport:
    """Write a report, with an examples file when ``outcomes`` (id → correct) are given; returns its path."""

    def write(
        job: str, *, outcomes: Mapping[str, bool] | None = None, version: str = "ab" * 32, **changes: Any
    ) -> Path:
        path = tmp_path / f"{hashlib.sha256(repr((job, version, changes)).encode()).hexdigest()[:8]}.json"
        examples, sha = None, None
        if outcomes is not None:
            text = "".join(json.dumps({"id": i, "correct": ok}) + "\n" for i, ok in outcomes.items())
            path.with_suffix(".examples.jsonl").write_text(text)
            examples, sha = f"{path.stem}.examples.jsonl", hashlib.sha256(text.encode()).hexdigest()
        fields = {
            "dataset": DatasetUsed(name="lamps", version=version, split="test", n=4, of=4),
            "created_at": "2026-11-20T00:00:00+00:00",
            "examples_file": examples,
            "examples_sha256": sha,
        }
        write_report(make_report(job=job, **(fields | changes)), path)
        return path

    return write
