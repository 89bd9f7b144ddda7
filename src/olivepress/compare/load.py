"""Reports → what a comparison needs of them: small enough that a thousand fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path

import numpy as np

from olivepress.core.errors import ReportError
from olivepress.core.progress import Progress
from olivepress.report.device_report import DeviceReport, LatencySample, read_report
from olivepress.report.disturbances import disturbances, is_busy
from olivepress.report.examples import Scores, read_scores
from olivepress.report.noise import by_round
from olivepress.report.registry import METRICS

__all__ = ["Loaded", "load"]

QUANTILES = 101


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A report without its raw samples, and what was computed from them.

    ``by_round``: metric (of the judge ``rounds``) → round → median over its repetitions, of the headline workload.
    ``itl_ms``: 101 quantiles of the time between tokens there. ``disturbances`` of the measuring processes, one
    sentence each; ``busy``: whether other programs are among them. ``scores`` are None where the examples are not
    beside the report.
    """

    report: DeviceReport
    by_round: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    itl_ms: tuple[float, ...] = ()
    disturbances: tuple[str, ...] = ()
    busy: bool = False
    scores: Scores | None = None


def load(paths: Sequence[Path], *, progress: Progress = lambda *_: None) -> list[Loaded]:
    """Read and verify reports with the examples beside them, in the order given; copies of a report count once.

    ReportError for no report at all, and naming the first file that cannot be believed.
    """
    if not paths:
        raise ReportError("there are no reports to compare", next_step="olivepress bench writes one")
    loaded: list[Loaded] = []
    seen: set[str] = set()
    ids: dict[tuple[str, ...], tuple[str, ...]] = {}
    for done, path in enumerate(paths, start=1):
        report = read_report(path)
        if report.report_sha256 not in seen:
            loaded.append(_loaded(report, ids))
        seen.add(report.report_sha256)
        progress(done, len(paths))
    return loaded


def _loaded(report: DeviceReport, ids: dict[tuple[str, ...], tuple[str, ...]]) -> Loaded:
    scores = read_scores(report)
    if scores is not None:  # reports of one dataset share their ids: one tuple for all of them
        scores = Scores(ids=ids.setdefault(scores.ids, scores.ids), values=scores.values)
    chosen = [sample for sample in report.samples if sample.workload == report.headline_workload and sample.step_ms]
    small = report.model_copy(update={"samples": (), "processes": ()})
    small._source = report.source
    return Loaded(
        report=small,
        by_round=_by_round(chosen),
        itl_ms=_quantiles(chosen),
        disturbances=tuple(disturbances(report.processes)),
        busy=is_busy(report.processes),
        scores=scores,
    )


def _by_round(samples: Sequence[LatencySample]) -> dict[str, dict[int, float]]:
    if not samples:
        return {}
    names = [metric.name for metric in METRICS.values() if metric.judge == "rounds"]
    return {name: by_round(samples, attrgetter(name)) for name in names}


def _quantiles(samples: Iterable[LatencySample]) -> tuple[float, ...]:
    steps = [ms for sample in samples for ms in sample.step_ms]
    return tuple(np.quantile(steps, np.linspace(0.0, 1.0, QUANTILES)).tolist()) if steps else ()
