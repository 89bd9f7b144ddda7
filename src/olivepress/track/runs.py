"""The runs of this project, as their records tell: read, listed and looked up. Needs neither MLflow nor a network."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from olivepress.core.artifact import read_manifest
from olivepress.core.errors import ReportError, UsageError
from olivepress.core.layout import recipe_runs, run_records
from olivepress.core.process import process_in
from olivepress.track.deliver import RECIPE
from olivepress.track.measured import REPORTS
from olivepress.track.record import Ended, Facts, Figure, Line, Measured, Points, Resumed, Started, Status, read_lines

__all__ = ["Curve", "TrackedRun", "all_runs", "find_run", "read_run"]

_HASH = re.compile(r"[0-9a-f]{6,64}")
_NUMBERED = re.compile(r"(?P<recipe>[^/]+)/(?P<job>[^/]+?)(?:\.(?P<number>[0-9]{1,6}))?")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """A curve in short: how many points, the first, the last and the lowest value."""

    points: int
    first: float
    last: float
    lowest: float
    last_step: int


@dataclass(frozen=True, kw_only=True)
class TrackedRun:
    """One run of a job. ``ended_at`` is None while it runs, and where it was killed; times are ms since 1970."""

    path: Path
    started: Started
    status: Status | Literal["running"]
    ended_at: int | None
    reason: str
    sha256: str | None
    metrics: Mapping[str, Figure]
    curves: Mapping[str, Curve]
    reports: tuple[Measured, ...]
    versions: Mapping[str, str]
    files: Mapping[str, str]
    resumed: int

    @property
    def name(self) -> str:
        return self.started.name

    @property
    def facts(self) -> Facts:
        return self.started.facts

    @property
    def seconds(self) -> float | None:
        """From its start to its end; what a resumed run did not run is in it."""
        return None if self.ended_at is None else max(0.0, (self.ended_at - self.started.at) / 1000)


def read_run(path: Path) -> TrackedRun | None:
    """None for a file that is no record of a run."""
    read = read_lines(path)
    if read is None:
        return None
    started, lines = read
    ended = _last_end(lines)
    status: Status | Literal["running"] = ended.status if ended else "killed"
    if ended is None and process_in(recipe_runs(started.recipe)) is not None:
        status = "running"
    return TrackedRun(
        path=path,
        started=started,
        status=status,
        ended_at=ended.at if ended else None,
        reason=ended.reason if ended else "",
        sha256=ended.sha256 if ended else None,
        metrics=ended.metrics if ended else {},
        curves=_curves(lines),
        reports=tuple(line for line in lines if isinstance(line, Measured)),
        versions=(ended.versions if ended else {}) or started.facts.versions,
        files=ended.files if ended else {},
        resumed=sum(isinstance(line, Resumed) for line in lines),
    )


def _last_end(lines: list[Line | None]) -> Ended | None:
    """How it ended; None when it was taken up again after that, and has no end since."""
    last = None
    for line in lines:
        if isinstance(line, Ended):
            last = line
        elif isinstance(line, Resumed):
            last = None
    return last


def _curves(lines: list[Line | None]) -> dict[str, Curve]:
    values = dict[str, list[tuple[int, float]]]()
    for line in lines:
        for point in line.points if isinstance(line, Points) else ():
            for name, value in point.values.items():
                values.setdefault(name, []).append((point.step, value))
    return {
        name: Curve(
            points=len(each),
            first=each[0][1],
            last=each[-1][1],
            lowest=min(value for _, value in each),
            last_step=each[-1][0],
        )
        for name, each in values.items()
    }


def all_runs(recipe: str = "*") -> list[TrackedRun]:
    """Every run of a job, of one recipe or of all, in the order of recipes, then of their start."""
    runs = [run for path in run_records(recipe) if (run := read_run(path)) is not None]
    jobs = [run for run in runs if run.started.kind not in (RECIPE, REPORTS)]
    return sorted(jobs, key=lambda run: (run.started.recipe, run.started.at, run.started.number))


def find_run(text: str) -> TrackedRun:
    """The run that was meant: ``recipe/job.2``, ``recipe/job`` (its last), a recipe (its last fine-tune), the folder of
    an artifact, a record's file, or the first six or more digits of a run's id or of an artifact's sha256.

    UsageError for none and for several, which names the nearest.
    """
    place = Path(text)
    if place.suffix == ".jsonl" and place.is_file():
        if (run := read_run(place)) is None:
            raise UsageError(f"{text}: is not the record of a run", next_step="olivepress runs list")
        return run
    runs = all_runs()
    found = (_by_folder(place, runs) if place.is_dir() else []) or _by_name(text, runs)
    if not found and _HASH.fullmatch(text):
        found = [run for run in runs if run.started.id.startswith(text) or (run.sha256 or "").startswith(text)]
        if len({run.started.id for run in found}) > 1:
            names = ", ".join(run.name for run in found[:4])
            raise UsageError(f"{text!r} is the beginning of several: {names}", next_step="give one of these names")
    if not found:
        near = difflib.get_close_matches(text, [run.name for run in runs], n=1, cutoff=0.4)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"no run {text!r}{hint}", next_step="olivepress runs list")
    return max(found, key=lambda run: run.started.number)


def _by_folder(place: Path, runs: list[TrackedRun]) -> list[TrackedRun]:
    try:
        manifest = read_manifest(place)
    except ReportError:
        return []
    found = [run for run in runs if run.sha256 == manifest.sha256]
    if not found:
        raise UsageError(
            f"{place}: no run of it is recorded here", next_step="olivepress run makes it again, and records it"
        )
    return found


def _by_name(text: str, runs: list[TrackedRun]) -> list[TrackedRun]:
    match = _NUMBERED.fullmatch(text)
    if match is None:
        return [run for run in runs if run.started.recipe == text and run.started.kind == "finetune"]
    exact = [run for run in runs if run.name == text]
    if exact:
        return exact
    job = match["job"] if match["number"] is None else f"{match['job']}.{match['number']}"
    return [run for run in runs if (run.started.recipe, run.started.job) == (match["recipe"], job)]
