from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from olivepress.core.errors import ReportError
from olivepress.report.device_report import measured, parse_report, report_hash
from olivepress.report.registry import METRICS, out_of_range
from olivepress.runtimes.config_rules import genai_problems

from .factory import make_report

Change = Callable[[dict[str, Any]], Any]


def sealed(change: Change) -> bytes:
    fields = make_report(metrics={"exact_match": measured("exact_match", 0.5, n=4, interval=(0.2, 0.8))}).model_dump(
        mode="json"
    )
    change(fields)
    return json.dumps(fields | {"report_sha256": report_hash(fields)}).encode()


def test_a_report_as_it_is_written() -> None:
    assert parse_report(sealed(lambda fields: None), "r.json").metrics["exact_match"].value == 0.5


@pytest.mark.parametrize(
    "change",
    [
        lambda f: f["metrics"]["exact_match"].update(value=7.0, ci_low=6.0, ci_high=8.0),
        lambda f: f["metrics"]["exact_match"].update(value=-0.1, ci_low=-0.2, ci_high=0.1),
        lambda f: f["metrics"]["exact_match"].update(value=0.9, ci_low=0.1, ci_high=0.2),
        lambda f: f["metrics"]["exact_match"].update(value=0.1),
        lambda f: f["metrics"]["exact_match"].update(n=10**6),
        lambda f: f["metrics"]["exact_match"].update(value="0.5"),
        lambda f: f["metrics"]["exact_match"].update(n=True),
        lambda f: f["metrics"]["exact_match"].update(n=10**30),
        lambda f: f["metrics"].update(ttft_ms={"value": -1e308, "unit": "ms", "n": 1}),
        lambda f: f["metrics"].update(size_on_disk_bytes={"value": -5, "unit": "bytes", "n": 1}),
        lambda f: f["metrics"].update(bleu={"value": 101, "unit": "points", "n": 1}),
        lambda f: f["lm_eval"].update(task={"value": 1e300, "unit": "1", "n": 1}),
        lambda f: f["dataset"].update(n=5, of=1),
        lambda f: f.update(created_at="yesterday"),
        lambda f: f.update(created_at="2026-11-20T00:00:00"),
        lambda f: f.update(created_at="2026-11-20"),
        lambda f: f.update(emulated="false"),
        lambda f: f["samples"][0].update(step_ms=["0.1"]),
        lambda f: f["samples"][0].update(round=-1),
        lambda f: f["machine"].update(memory_bytes=-1),
        lambda f: f.update(placement={"asked": "x", "nodes": {"x": -3}, "fallback": False}),
        lambda f: f.update(placement={"asked": "x", "nodes": {"x": 3}, "fallback": False, "arithmetic": 4}),
    ],
    ids=range(22),
)  # fmt: skip
def test_what_no_machine_measures_is_refused(change: Change) -> None:
    with pytest.raises(ReportError, match=r"next: measure again"):
        parse_report(sealed(change), "r.json")


def test_ranges_follow_the_unit_but_for_the_metrics_that_say_otherwise() -> None:
    import olivepress.measure.quality.accuracy  # noqa: F401 (declares the metrics of the answers)

    assert (METRICS["exact_match"].low, METRICS["exact_match"].high) == (0.0, 1.0)
    assert out_of_range("gain_retained", -0.3) is None and out_of_range("adapter_kept", 1.4) is None
    assert out_of_range("drift", -0.1) == "drift is -0.1 ratio, expected 0 or more"
    assert measured("exact_match", 1.5, n=1).value is None


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"model": {"decoder": {"session_options": {"intra_op_num_threads": 8}}}}, None),
        (
            {"model": {"decoder": {"pipeline": [{"x": {"session_options": {"intra_op_num_threads": 100000}}}]}}},
            "from 0 to 1024, not 100000",
        ),
        ({"search": {"max_length": 1e12}}, "search.max_length: expected a whole number"),
        ({"search": {"num_beams": -99999}}, "search.num_beams: expected a whole number"),
        ({"search": {"batch_size": 4096}}, "from 1 to 1024"),
        ({"search": {"chunk_size": 2_000_000}}, "from 0 to 1000000"),
    ],
)
def test_counts_that_no_machine_has_are_refused(config: dict[str, Any], says: str | None) -> None:
    problems = genai_problems(config)
    assert (says is None and not problems) or (says is not None and says in problems[0])
