"""How far a running job is: its last messages, its loss, the time that is left, the memory that it uses now."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from olivepress.core.errors import OlivepressError
from olivepress.core.layout import RUNS, TRAINING, job_dir, job_messages, recipe_runs, training_records
from olivepress.core.process import process_in
from olivepress.report.training_record import TrainingRun, TrainingStep, training_run
from olivepress.ui.texts import read_tail

__all__ = ["JobProgress", "Usage", "progress_of", "seconds_left", "trained_run", "usage_of"]

_MOST_BYTES = 4 * 1024 * 1024  # of the record of a training: some 60,000 steps
_LARGEST = 10**12
_RATE_OF = 20  # the last steps, which the time that is left is computed from


@dataclass(frozen=True, kw_only=True)
class JobProgress:
    """``done`` of ``total`` (0: not known yet); ``run`` are the steps of a fine-tune. ``seconds_left`` at its rate."""

    done: int
    total: int
    run: TrainingRun
    seconds_left: float | None = None

    @property
    def loss(self) -> float | None:
        return next((step.loss for step in reversed(self.run.steps) if step.loss is not None), None)

    @property
    def validated(self) -> TrainingStep | None:
        """The step of the last evaluation."""
        return next((step for step in reversed(self.run.steps) if step.validation_loss is not None), None)


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Resident bytes of the processes of the job that runs, now."""

    memory_bytes: int


def progress_of(recipe: str, job: str, began: datetime | None) -> JobProgress | None:
    """None while the job has reported nothing: not every step of a job can say how far it is.

    A record that was last written before the job ``began`` is that of an earlier try.
    """
    records = [*training_records(recipe, job), job_messages(recipe, job)]
    recent = [(changed, path) for path in records if (changed := _changed(path)) and _not_before(changed, began)]
    if not recent:
        return None
    lines = _lines(max(recent)[1])
    last = next((line for line in reversed(lines) if _whole(line, "total") and line["total"] > 0), None)
    if last is None:
        return None
    left = seconds_left(lines, last["total"])
    return JobProgress(done=last["done"], total=last["total"], run=training_run(lines), seconds_left=left)


def trained_run(recipe: str, job: str) -> TrainingRun:
    """The steps of a fine-tune that has ended: those of its artifact, or of the record that a stopped one goes on from;
    of another job none."""
    path = job_dir(recipe, job) / TRAINING
    if _changed(path):
        return training_run(_lines(path))
    records = [(changed, record) for record in training_records(recipe, job) if (changed := _changed(record))]
    return training_run(_lines(max(records)[1]) if records else [])


def seconds_left(lines: Sequence[Mapping[str, Any]], total: int) -> float | None:
    """Steps that are left, times the seconds of the last ones. None where there are no two of one process: the clock
    of a resumed fine-tune begins again."""
    timed = [line for line in lines if _whole(line, "done") and _number(line.get("seconds")) is not None]
    timed = timed[-_RATE_OF:]
    for place in range(len(timed) - 1, 0, -1):
        if timed[place]["seconds"] < timed[place - 1]["seconds"]:
            timed = timed[place:]
            break
    if len(timed) < 2 or timed[-1]["done"] <= timed[0]["done"]:
        return None
    rate = (timed[-1]["seconds"] - timed[0]["seconds"]) / (timed[-1]["done"] - timed[0]["done"])
    return float(max(0.0, rate * (total - timed[-1]["done"])))


def usage_of(recipe: str) -> Usage | None:
    """None where the processes cannot be asked."""
    import psutil

    process = process_in(recipe_runs(recipe))
    if process is None:
        return None
    total = 0
    try:
        for each in process.children(recursive=True):
            total += each.memory_info().rss
    except psutil.Error:
        return None
    return Usage(memory_bytes=total) if total else None


def _changed(path: Path) -> float | None:
    """When it was last written; None where it is not there, or a link leads out of ``runs``."""
    try:
        if not path.resolve(strict=True).is_relative_to(RUNS.resolve()):
            return None
        return path.stat().st_mtime
    except (OSError, RuntimeError):
        return None


def _not_before(changed: float, began: datetime | None) -> bool:
    return began is None or datetime.fromtimestamp(changed + 1, UTC) >= began


def _lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines at the end of a file that somebody may be writing to."""
    try:
        data, _ = read_tail(path, _MOST_BYTES)
    except (OSError, OlivepressError):
        return []
    lines = []
    for line in data.split(b"\n"):
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            lines.append(value)
    return lines


def _whole(line: Mapping[str, Any], key: str) -> bool:
    return all(isinstance(line.get(each), int) and 0 <= line[each] < _LARGEST for each in ("done", key))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)
