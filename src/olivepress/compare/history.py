"""A metric over commits: what every commit's reports in ``benchmarks/results`` said, and where it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from olivepress.compare.sources import git, is_report
from olivepress.core.errors import ReportError, SetupError
from olivepress.core.layout import RESULTS
from olivepress.core.timestamps import parse_timestamp
from olivepress.report.device_report import DeviceReport, parse_report

__all__ = ["HISTORY_METRICS", "Point", "Series", "change_points", "read_history"]

HISTORY_METRICS = ("exact_match", "decode_tps", "ttft_ms", "peak_memory_bytes", "size_on_disk_bytes", "kl_divergence")
MIN_POINTS = 6  # below which a change cannot be told from noise
MAD_TO_SIGMA = 1.4826  # of a normal distribution
NOT_COMMITTED = "not committed"


@dataclass(frozen=True, kw_only=True)
class Point:
    """One report: the commit that brought it, when it was measured (ISO 8601), its value with the interval."""

    commit: str
    created_at: str
    value: float
    ci_low: float | None
    ci_high: float | None


@dataclass(frozen=True, kw_only=True)
class Series:
    """One metric of one artifact on one machine, oldest first; ``changes`` are the indices where a new level begins."""

    machine: str
    recipe: str
    job: str
    metric: str
    points: tuple[Point, ...]
    changes: tuple[int, ...]


def read_history(metrics: Sequence[str] = HISTORY_METRICS) -> tuple[list[Series], list[str]]:
    """Series of all reports in the git history and the working tree, and what could not be read, in words.

    UsageError outside a git repository; ReportError when git fails.
    """
    found: dict[tuple[str, str, str, str], dict[str, Point]] = {}
    refused = []
    for commit, name, text in _committed():
        try:
            _add(found, parse_report(text, f"{commit[:12]}:{name}"), commit, metrics)
        except ReportError as error:
            refused.append(str(error))
    for path in sorted(RESULTS.rglob("*.json")):
        if is_report(path):
            _add(found, parse_report(path.read_bytes(), str(path)), NOT_COMMITTED, metrics)
    series = []
    for (machine, recipe, job, metric), points in sorted(found.items()):
        ordered = tuple(sorted(points.values(), key=lambda point: parse_timestamp(point.created_at)))
        changes = change_points([point.value for point in ordered])
        series.append(
            Series(machine=machine, recipe=recipe, job=job, metric=metric, points=ordered, changes=tuple(changes))
        )
    return series, refused


def _add(
    found: dict[tuple[str, str, str, str], dict[str, Point]], report: DeviceReport, commit: str, metrics: Sequence[str]
) -> None:
    """A report that stands in several commits counts once, under the first of them."""
    for metric in metrics:
        measurement = report.metrics.get(metric)
        if measurement is not None and measurement.value is not None:
            point = Point(
                commit=commit,
                created_at=report.created_at,
                value=measurement.value,
                ci_low=measurement.ci_low,
                ci_high=measurement.ci_high,
            )
            key = (report.machine.id, report.recipe, report.job, metric)
            found.setdefault(key, {}).setdefault(report.report_sha256, point)


def _committed() -> list[tuple[str, str, bytes]]:
    """(commit, path, contents) of every report that a commit added or changed, oldest first."""
    log = git("log", "--reverse", "--diff-filter=AM", "--name-only", "-z", "--format=%x01%H", "--", RESULTS.as_posix())
    found = []
    for entry in log.decode("utf-8", "replace").split("\x01")[1:]:
        commit, _, names = entry.partition("\0")
        for name in filter(None, (part.strip("\n") for part in names.split("\0"))):
            if is_report(Path(name)):
                found.append((commit.strip(), name, git("cat-file", "blob", f"{commit.strip()}:{name}")))
    return found


def change_points(values: Sequence[float]) -> list[int]:
    """Indices at which the level changes: optimal partitioning of the mean, by the library ruptures.

    PELT (R. Killick, P. Fearnhead, I. A. Eckley, JASA 107 (2012)): cost is the squared error, penalty 3·σ²·log n, with
    σ from the median absolute difference of neighbours, so that a change of level is not taken for noise. None below 6
    points. SetupError when ruptures is not installed.
    """
    n = len(values)
    if n < MIN_POINTS:
        return []
    try:
        import ruptures
    except ImportError as error:
        raise SetupError(
            f"ruptures cannot be imported ({error})", next_step="pip install 'olivepress[report]'"
        ) from error
    data = np.asarray(values, dtype=np.float64)
    steps = np.abs(np.diff(data))
    sigma = MAD_TO_SIGMA * float(np.median(steps)) / np.sqrt(2.0)
    sigma = max(sigma, 1e-9 * float(np.abs(data).max() or 1.0))
    found = ruptures.Pelt(model="l2", min_size=2, jump=1).fit(data / sigma).predict(pen=3.0 * np.log(n))
    return [int(index) for index in found[:-1]]
