from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from olivepress.core.errors import ReportError, SetupError
from olivepress.report.device_report import Measurement, read_report, report_hash, write_report
from olivepress.report.registry import METRICS

from .factory import make_report


@pytest.mark.parametrize(
    "fields",
    [
        {"value": 1.0, "reason": "both"},
        {},
        {"value": float("nan")},
        {"value": float("inf")},
        {"reason": "  "},
        {"value": 1.0, "ci_low": 0.0},
        {"value": 1.0, "ci_low": 2.0, "ci_high": 1.0},
        {"reason": "no", "ci_low": 0.0, "ci_high": 1.0},
        {"value": 1.0, "n": -1},
    ],
)
def test_a_measurement_is_a_value_or_a_reason(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Measurement(unit="ms", **fields)


def test_round_trip_keeps_everything(tmp_path: Path) -> None:
    path = tmp_path / "a" / "r.json"
    sealed = write_report(make_report(), path)
    again = read_report(path)
    assert again == sealed
    assert again.source == path
    assert len(again.report_sha256) == 64
    assert [p.name for p in path.parent.iterdir()] == ["r.json"]


def test_the_former_name_of_a_field_is_read(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    fields = json.loads(write_report(make_report(bench_session="s"), path).model_dump_json())
    fields["sitting"] = fields.pop("bench_session")
    path.write_text(json.dumps(fields | {"report_sha256": report_hash(fields)}))
    assert read_report(path).bench_session == "s"


def test_hand_edit_is_told(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    write_report(make_report(), path)
    text = path.read_text()
    assert "130.25" in text
    path.write_text(text.replace("130.25", "930.25"))
    with pytest.raises(ReportError, match="changed after it was measured"):
        read_report(path)


@pytest.mark.parametrize("keep", [0, 1, 100, -2, -30])
def test_truncated(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "r.json"
    write_report(make_report(), path)
    path.write_text(path.read_text()[:keep])
    with pytest.raises(ReportError, match="truncated"):
        read_report(path)


def _reseal(path: Path, **changes: object) -> None:
    fields = json.loads(path.read_text()) | changes
    fields["report_sha256"] = report_hash(fields)
    path.write_text(json.dumps(fields))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"schema_version": 1}, "schema version 1, this olivepress reads 2"),
        ({"schema_version": None}, "schema version None"),
        ({"surprise": 1}, "surprise"),
        ({"device": "toaster"}, "device"),
        ({"examples_file": "../../etc/passwd"}, "plain file name"),
        ({"examples_file": "/etc/passwd"}, "plain file name"),
        ({"metrics": {"ttft_ms": {"value": 1.0, "unit": "s", "n": 1}}}, "ttft_ms is in s, expected ms"),
        ({"metrics": {"ttft_ms": {"value": "fast", "unit": "ms"}}}, "metrics.ttft_ms.value"),
    ],
)
def test_resealed_nonsense_is_still_refused(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    path = tmp_path / "r.json"
    write_report(make_report(), path)
    _reseal(path, **changes)
    with pytest.raises(ReportError, match=says) as caught:
        read_report(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('{"schema_version": 1, "x": NaN}', "NaN is not a measurement"),
        ('{"schema_version": 1, "x": -Infinity}', "-Infinity is not a measurement"),
        ('{"schema_version": 2, "x": 1e999}', "not finite"),
        ('{"schema_version": 1, "schema_version": 1}', "occurs twice"),
        ("[1, 2]", "expected a JSON object"),
        ('{"x": ' + "9" * 5000 + "}", "not a JSON text"),
        ('{"x": ' + "[" * 100_000, "not a JSON text"),
    ],
)
def test_json_that_is_no_report(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(ReportError, match=says):
        read_report(path)


def test_bytes_and_absence(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="no such report"):
        read_report(tmp_path / "none.json")
    with pytest.raises(ReportError, match="cannot be read"):
        read_report(tmp_path)
    (tmp_path / "b.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(ReportError, match="not a JSON text"):
        read_report(tmp_path / "b.json")


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "r.json"
    write_report(make_report(), path)
    before = path.read_bytes()
    monkeypatch.setattr("olivepress.core.files.os.fsync", full)
    with pytest.raises(SetupError, match="No space left"):
        write_report(make_report(job="other"), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


def test_the_registry_says_what_a_docs_table_needs() -> None:
    assert {"exact_match", "json_valid", "ttft_ms", "kl_divergence", "kl_top256"} <= METRICS.keys()
    for name, metric in METRICS.items():
        assert metric.name == name
        assert metric.direction in ("higher", "lower")
        assert metric.title and metric.description.endswith(".")
