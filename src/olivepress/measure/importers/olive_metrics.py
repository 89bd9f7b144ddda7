"""Olive's ``metrics.json``: ``<metric>-<sub type>`` to ``{value, priority, higher_is_better}``.

Format: https://github.com/microsoft/Olive (0.13.0, evaluator/metric_result.py). Our own evaluator writes
``olivepress-<metric>``, and the number of test rows to ``olivepress-rows``. Olive's own ``latency`` (milliseconds) and
``throughput`` (samples per second) are of one forward pass over a batch and correspond to none of our metrics. The file
states no machine, no device, and no other counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from olivepress.measure.importers.assembled import DEVICE_NOT_STATED, ImportedRun, machine
from olivepress.measure.importers.parsing import NOT_STATED, Record, one_line
from olivepress.report.device_report import measured
from olivepress.report.registry import METRICS

__all__ = ["ROWS", "TOOL", "matches_format", "read_runs"]

TOOL = "Olive"
PREFIX = "olivepress-"
ROWS = f"{PREFIX}rows"
MARKS = {"value", "priority", "higher_is_better"}
FORWARD_PASS = (
    "Olive's latency and throughput (settings) are of one forward pass over a batch, not of generating tokens"
)
NO_COUNTS = "metrics.json does not state how many examples were measured: n is 0 and there are no intervals"
NO_INTERVALS = "metrics.json states no intervals"


def matches_format(value: Any) -> bool:
    """Whether the parsed file has Olive's format: results with exactly value, priority and higher_is_better."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(result, dict) and result.keys() == MARKS for result in value.values())
    )


def read_runs(path: Path, value: Any) -> list[ImportedRun]:
    """One run: ``olivepress-<metric>`` as our metric, every other value in the settings under Olive's name.

    ReportError for values that are not numbers, a share outside 0 to 1, or another direction than our metric's.
    """
    results = {one_line(name): Record(path=path, where=one_line(name), fields=result) for name, result in value.items()}
    ours = {name.removeprefix(PREFIX): r for name, r in results.items() if name.startswith(PREFIX)}
    known = {name: result for name, result in ours.items() if name in METRICS}
    others = {name: _number(r) for name, r in results.items() if name.removeprefix(PREFIX) not in known}
    rows = results[ROWS].count("value") if ROWS in results else 0
    others.pop(ROWS, None)
    timed = any(name.startswith(("latency-", "throughput-")) for name in others)
    reason = FORWARD_PASS if timed else "the file has no such metric"
    metrics = {name: measured(name, _ours(name, result), n=rows) for name, result in known.items()}
    return [
        ImportedRun(
            tool=TOOL,
            runtime="onnxruntime-genai" if known else "other",
            execution_provider=NOT_STATED,
            device="unknown",
            precision=NOT_STATED,
            machine=machine(cpu=NOT_STATED),
            measured_at=None,
            settings=dict(others),
            metrics=metrics,
            reasons=dict.fromkeys(("ttft_ms", "request_ttft_ms", "e2e_ms", "prefill_tps", "decode_tps"), reason),
            warnings=(NO_INTERVALS if rows else NO_COUNTS, DEVICE_NOT_STATED, *((FORWARD_PASS,) if timed else ())),
        )
    ]


def _number(result: Record) -> float:
    return result.number("value", least=float("-inf"))


def _ours(name: str, result: Record) -> float:
    metric, value = METRICS[name], _number(result)
    if result.fields.get("higher_is_better") is not (metric.direction == "higher"):
        raise result.error(f"'higher_is_better' is {result.fields.get('higher_is_better')!r}: not our {name}")
    if metric.unit == "ratio" and metric.direction == "higher" and not 0 <= value <= 1:
        raise result.error(f"'value' is {value:g}, expected a share from 0 to 1")
    return value
