"""The fine-tunes of a recipe, as pages draw them: the one whose result is here, and those before it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from olivepress.core.artifact import read_manifest
from olivepress.core.errors import OlivepressError
from olivepress.core.jsonl import read_json_lines
from olivepress.core.layout import TRAINING, job_dir, run_records
from olivepress.report.training_record import TrainingRun, training_run

if TYPE_CHECKING:
    from olivepress.track.record import Started

__all__ = ["earlier_runs", "training_runs"]

_MOST_EARLIER = 3


def training_runs(recipe: str, job: str = "finetune") -> dict[str, TrainingRun]:
    """The run of the present artifact, by the recipe's name, then ``earlier_runs``; empty where there are none."""
    run = training_run(read_json_lines(job_dir(recipe, job) / TRAINING))
    present = {recipe: run} if run.steps else {}
    return present | earlier_runs(recipe, job)


def earlier_runs(recipe: str, job: str = "finetune") -> dict[str, TrainingRun]:
    """The newest other runs of the job that were recorded, by their names (``tickets/finetune.2``), newest first.

    A run that made what is here, or what a newer one made too, is not another one.
    """
    runs: dict[str, TrainingRun] = {}
    known = {_sha256(recipe, job)}
    for started, sha256, run in _recorded(recipe, job):
        if sha256 is not None and sha256 in known:
            continue
        known.add(sha256)
        runs[started.name] = run
        if len(runs) == _MOST_EARLIER:
            break
    return runs


def _recorded(recipe: str, job: str) -> Iterator[tuple[Started, str | None, TrainingRun]]:
    """The recorded runs that ended and have a curve, newest first, each with the sha256 of what it made."""
    from olivepress.track.curves import steps_of
    from olivepress.track.record import Ended, read_lines

    for path in sorted(run_records(recipe, job), key=_number, reverse=True):
        started, lines = read_lines(path) or (None, [])
        ended = next((line for line in reversed(lines) if isinstance(line, Ended)), None)
        steps = steps_of(lines)
        if started is not None and ended is not None and len(steps) > 1:
            yield started, ended.sha256, TrainingRun(steps=steps)


def _number(path: Path) -> int:
    number = path.stem.rpartition(".")[2]
    return int(number) if number.isdigit() else 0


def _sha256(recipe: str, job: str) -> str | None:
    try:
        return read_manifest(job_dir(recipe, job)).sha256
    except (OlivepressError, OSError):
        return None
