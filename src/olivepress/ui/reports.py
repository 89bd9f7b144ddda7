"""The device reports that are stored here, in a line each."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from olivepress.catalog.provider import short_provider
from olivepress.core.errors import OlivepressError
from olivepress.core.layout import RESULTS
from olivepress.report.device_report import DeviceReport, read_report
from olivepress.report.registry import METRICS, in_view
from olivepress.report.values import NULL, format_value
from olivepress.ui.places import inside, is_plain

__all__ = ["ReportLine", "measured_recipes", "report_lines"]

_MOST_REPORTS = 500


@dataclass(frozen=True, kw_only=True)
class ReportLine:
    """``values`` are (title of a metric, value in its unit); ``problem`` is why a file is no report."""

    machine: str
    recipe: str
    job: str
    precision: str = ""
    provider: str = ""
    created_at: str = ""
    values: tuple[tuple[str, str], ...] = ()
    problem: str = ""


def report_lines(recipe: str | None = None) -> tuple[list[ReportLine], int]:
    """Those of a recipe or of all, by machine, and how many more there are."""
    paths = sorted(path for path in RESULTS.glob(f"*/{recipe or '*'}/*.json") if _is_ours(path))
    lines = [_line(path) for path in paths[:_MOST_REPORTS]]
    return lines, max(0, len(paths) - _MOST_REPORTS)


def measured_recipes() -> list[str]:
    """The recipes that reports are stored of."""
    return sorted({path.parent.name for path in RESULTS.glob("*/*/*.json") if _is_ours(path)})


def _is_ours(path: Path) -> bool:
    names = path.relative_to(RESULTS).parts
    try:
        return all(map(is_plain, names)) and inside(RESULTS, *names).is_file()
    except OlivepressError:
        return False


def _line(path: Path) -> ReportLine:
    try:
        status = path.stat()
    except OSError:  # removed meanwhile
        status = None
    if status is None:
        return _unread(path, "is not there any more")
    return _read(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=2 * _MOST_REPORTS)
def _read(path: Path, changed: int, size: int) -> ReportLine:
    """Read once for each state of the file: a report has a hash to check and thousands of samples."""
    try:
        report = read_report(path)
    except OlivepressError as error:
        return _unread(path, error.message)
    machine, recipe = path.parent.parent.name, path.parent.name
    return ReportLine(
        machine=machine,
        recipe=recipe,
        job=report.job,
        precision=report.precision,
        provider=short_provider(report.execution_provider),
        created_at=report.created_at,
        values=tuple((METRICS[name].title, _value(report, name)) for name in in_view("card")),
    )


def _unread(path: Path, problem: str) -> ReportLine:
    return ReportLine(machine=path.parent.parent.name, recipe=path.parent.name, job=path.stem, problem=problem)


def _value(report: DeviceReport, name: str) -> str:
    value = report.value(name)
    return NULL if value is None else format_value(METRICS[name].unit, value)
