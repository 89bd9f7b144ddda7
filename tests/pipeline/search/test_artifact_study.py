"""The points of the artifact search are trials of one study, each once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.search import artifact_study as module
from olivepress.pipeline.search.artifact_study import objectives_of, record_artifacts
from olivepress.report.machine import fingerprint


def report(job: str, values: dict[str, float | None], machine: str | None = None) -> Any:
    return SimpleNamespace(
        job=job,
        machine=SimpleNamespace(id=machine or fingerprint().id),
        artifact_sha256="ab" * 32,
        value=values.get,
    )


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    found: dict[str, Any] = {}
    parent = SimpleNamespace(sha256="cd" * 32)
    monkeypatch.setattr(module, "read_manifest", lambda _: parent)
    monkeypatch.setattr(module, "read_report", lambda path: found[path.name])
    found["parent"] = parent
    return found


def test_points_are_trials_once_and_failures_keep_their_reason(project: Path, reports: dict[str, Any]) -> None:
    plan = load_plan("tiny-phi")
    assert objectives_of(plan) == ("exact_match", "decode_tps", "size_on_disk_bytes")
    reports["a"] = report("export-cpu-fp32", {"exact_match": 0.9, "decode_tps": 100.0, "size_on_disk_bytes": 2e6})
    reports["b"] = report("export-cpu-int4", {"exact_match": 0.8, "decode_tps": 300.0, "size_on_disk_bytes": 5e5})
    paths = [Path("a"), Path("b")]
    for _ in range(2):
        record = record_artifacts(plan, {"export-cuda-int4": "no GPU"}, paths)
        assert record.name == "tiny-phi/artifact.1" and record.higher == (True, True, False)
        by_target = {trial.params["target"]: trial for trial in record.trials}
        assert len(record.trials) == 3 and set(by_target) == {"cpu-fp32", "cpu-int4", "cuda-int4"}
        assert by_target["cpu-int4"].values == (0.8, 300.0, 5e5) and by_target["cpu-int4"].state == "finished"
        assert (by_target["cuda-int4"].state, by_target["cuda-int4"].reason) == ("failed", "no GPU")
    reports["parent"].sha256 = "ef" * 32
    assert record_artifacts(plan, {}, paths).name == "tiny-phi/artifact.2"


def test_other_machines_and_missing_values(project: Path, reports: dict[str, Any]) -> None:
    reports["a"] = report("export-cpu-fp32", {"exact_match": 0.9}, machine="elsewhere")
    reports["b"] = report("export-cpu-int4", {"exact_match": 0.8, "size_on_disk_bytes": 5e5})
    record = record_artifacts(load_plan("tiny-phi"), {}, [Path("a"), Path("b")])
    assert [(trial.params["target"], trial.state, trial.reason) for trial in record.trials] == [
        ("cpu-int4", "failed", "not measured: decode_tps")
    ]
