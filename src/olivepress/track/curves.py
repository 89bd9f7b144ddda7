"""The curves of a fine-tune, from the record that the training process writes step by step."""

from __future__ import annotations

import json
import re
import sys
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from olivepress.core.bounded import open_regular
from olivepress.core.errors import OlivepressError
from olivepress.report.training_record import TrainingStep, training_steps
from olivepress.track.figures import TOKENS_PER_S
from olivepress.track.record import Line, Point, Points
from olivepress.track.writer import RunWriter, recorded_steps

__all__ = ["CurveFollower", "point_of", "steps_of"]

_NAME = re.compile(r"[a-z][a-z0-9_]{0,60}")
_NOT_CURVES = frozenset({"done", "total", "step", "seconds", "best"})
_VALIDATION, _MONITOR = "validation_", "monitor_"
_LARGEST_STEP = 2**53
_MOST_BYTES = 16 * 1024 * 1024  # at a time


def point_of(line: Any) -> tuple[int, dict[str, float]] | None:
    """The step and the finite numbers of a line of the training record; None for a line that is no step.

    This function alone knows that format: ``done`` is the step, every other measured number of the line is a curve
    (``best`` names a step), and so are the task's ``metrics`` of validation rows, as ``validation_NAME``, and those of
    the quality monitor, as ``monitor_NAME``.
    """
    if not isinstance(line, Mapping) or not _is_step(line.get("done")) or "rows" in line:
        return None
    metrics = line.get("metrics")
    validation = {f"{_VALIDATION}{name}": value for name, value in metrics.items()} if isinstance(metrics, dict) else {}
    quality = line.get("quality")
    monitored = {f"{_MONITOR}{name}": value for name, value in quality.items()} if isinstance(quality, dict) else {}
    values = {
        name: float(value)
        for name, value in {**line, **validation, **monitored}.items()
        if isinstance(name, str) and name not in _NOT_CURVES and _NAME.fullmatch(name) and _is_number(value)
    }
    return (line["done"], values) if values else None


def _is_step(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST_STEP


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def steps_of(lines: Iterable[Line | None]) -> tuple[TrainingStep, ...]:
    """The steps of a fine-tune from the points of its record: what ``point_of`` made of them, turned back."""
    rows = list[dict[str, Any]]()
    for line in lines:
        for point in line.points if isinstance(line, Points) else ():
            metrics, quality = _named(point.values, _VALIDATION), _named(point.values, _MONITOR)
            metrics.pop("loss", None)  # validation_loss is a number of the step itself
            rows.append({"done": point.step, "metrics": metrics, "quality": quality, **point.values})
    return training_steps(rows)


def _named(values: Mapping[str, float], prefix: str) -> dict[str, float]:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


class _Rate:
    """Tokens per second between two lines that count both. What an evaluation takes, whose line counts no tokens, is no
    time of the steps; nor is what lies between two processes, of which each counts its own seconds."""

    def __init__(self) -> None:
        self._tokens: float | None = None
        self._seconds: float | None = None

    def after(self, line: Any) -> dict[str, float]:
        """The curve's value at this line; empty where there is none."""
        if not isinstance(line, Mapping) or not _is_number(line.get("seconds")):
            return {}
        seconds = float(line["seconds"])
        before, self._seconds = self._seconds, seconds
        if not _is_number(line.get("tokens")):
            return {}
        tokens = float(line["tokens"])
        done, self._tokens = self._tokens, tokens
        if before is None or done is None or seconds <= before or tokens <= done:
            return {}
        return {TOKENS_PER_S: (tokens - done) / (seconds - before)}


class CurveFollower:
    """Copies new steps of a training record into the run's record, each step and curve once.

    A resumed fine-tune repeats the steps after its last checkpoint: those that were recorded are left out.
    """

    def __init__(self, source: Path, writer: RunWriter) -> None:
        self._source, self._writer = source, writer
        self._offset, self._seen = 0, recorded_steps(writer.path)
        self._rate = _Rate()
        self._lock = threading.Lock()

    def read(self) -> None:
        """Record what is new. Never raises: a curve is no reason to stop."""
        with self._lock:
            points = []
            for line in self._new_lines():
                point, rate = point_of(line), self._rate.after(line)
                values = {} if point is None else self._new(point[0], point[1] | rate)
                if point is not None and values:
                    points.append(Point(step=point[0], at=self._writer.now(), values=values))
            if points:
                self._writer.append(Points(points=tuple(points)))

    def _new(self, step: int, values: Mapping[str, float]) -> dict[str, float]:
        """The values of curves that have no point at this step yet: evaluation has a line of its own."""
        new = {name: value for name, value in values.items() if step > self._seen.get(name, -1)}
        self._seen |= dict.fromkeys(new, step)
        return new

    def _new_lines(self) -> list[Any]:
        try:
            with open_regular(self._source) as file:
                if file.seek(0, 2) < self._offset:  # begun again
                    self._offset, self._rate = 0, _Rate()
                file.seek(self._offset)
                data = file.read(_MOST_BYTES)
        except (OSError, OlivepressError):
            return []
        whole = data[: data.rfind(b"\n") + 1]
        self._offset += len(whole)
        lines = []
        for text in whole.split(b"\n"):
            try:
                lines.append(json.loads(text))
            except (ValueError, RecursionError):
                continue
        return lines
