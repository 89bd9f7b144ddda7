"""Results of other tools as device reports: what they measured under our names, all else null with a reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from olivepress.measure.importers import llama_bench, mlperf_client, olive_metrics, optimum_benchmark
from olivepress.measure.importers.assembled import Findings, report
from olivepress.measure.importers.parsing import parse_json, refused

# The metrics of the answers are declared when this is imported; "every metric" must include them.
from olivepress.report import task_metrics as _task_metrics  # noqa: F401
from olivepress.report.device_report import DeviceReport

__all__ = ["import_results", "parse_json"]

FORMATS: tuple[tuple[str, Callable[[Any], bool], Callable[[Path, Any], list[Findings]]], ...] = tuple(
    (module.TOOL, module.recognises, module.findings)
    for module in (llama_bench, optimum_benchmark, mlperf_client, olive_metrics)
)


def import_results(path: Path, *, recipe: str, job: str, now: Callable[[], datetime]) -> list[DeviceReport]:
    """Read a result file of llama-bench, optimum-benchmark, MLPerf Client or Olive, told apart by its keys.

    One report per configuration (llama-bench) or run (MLPerf Client) in the file; ``now`` gives ``imported_at``. The
    reports are not sealed: ``write_report`` does that. ReportError, one line, for every file that is not exactly one
    of the four formats or holds what cannot be a measurement.
    """
    value = parse_json(path)
    fitting = [(tool, findings) for tool, recognises, findings in FORMATS if recognises(value)]
    if len(fitting) != 1:
        tools = " and ".join(tool for tool, _ in fitting)
        raise refused(path, f"its keys fit both {tools}" if tools else "its keys fit no format that can be imported")
    try:
        return [report(found, recipe=recipe, job=job, now=now()) for found in fitting[0][1](path, value)]
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise refused(path, f"{where} cannot be {problem['input']!r:.60}: {problem['msg']}") from None
