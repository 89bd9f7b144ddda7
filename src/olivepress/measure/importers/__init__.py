"""Converts results of other tools to device reports: their values under our names, all else null with a reason."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from olivepress.measure.importers import llama_bench, mlperf_client, olive_metrics, optimum_benchmark
from olivepress.measure.importers.assembled import ImportedRun, to_report
from olivepress.measure.importers.parsing import import_error, parse_json

# Importing this declares the answer metrics, which a report must include.
from olivepress.report import task_metrics as _task_metrics  # noqa: F401
from olivepress.report.device_report import DeviceReport

__all__ = ["import_results", "parse_json"]

FORMATS: tuple[tuple[str, Callable[[Any], bool], Callable[[Path, Any], list[ImportedRun]]], ...] = tuple(
    (module.TOOL, module.matches_format, module.read_runs)
    for module in (llama_bench, optimum_benchmark, mlperf_client, olive_metrics)
)


def import_results(
    path: Path, *, recipe: str, job: str, now: Callable[[], datetime], machine_name: str | None = None
) -> list[DeviceReport]:
    """Read a result file of llama-bench, optimum-benchmark, MLPerf Client or Olive, recognised by its keys.

    One report per configuration (llama-bench) or run (MLPerf Client) in the file; ``now`` gives ``imported_at``,
    ``machine_name`` is what pages call the machine. The reports are not sealed: ``write_report`` does that. ReportError
    for a file that is not in exactly one of the four formats or contains a value that cannot be a measurement.
    """
    value = parse_json(path)
    matching = [(tool, read_runs) for tool, matches_format, read_runs in FORMATS if matches_format(value)]
    if not matching:
        raise import_error(path, "its keys match no format that can be imported")
    if len(matching) > 1:
        tools = " and ".join(tool for tool, _ in matching)
        raise import_error(path, f"its keys match both {tools}")
    try:
        runs = matching[0][1](path, value)
        return [to_report(run, recipe=recipe, job=job, now=now(), machine_name=machine_name) for run in runs]
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(map(str, problem["loc"]))
        raise import_error(path, f"{where} cannot be {problem['input']!r:.60}: {problem['msg']}") from None
