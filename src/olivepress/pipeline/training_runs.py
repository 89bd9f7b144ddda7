"""The fine-tunes of a recipe, as pages draw them: the one whose result is here, and those before it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from olivepress.core.artifact import read_manifest
from olivepress.core.errors import OlivepressError
from olivepress.core.jsonl import read_json_lines
from olivepress.core.layout import TRAINING, job_dir, run_records
from olivepress.report.training_record import TrainingRun, training_run

__all__ = ["earlier_runs", "training_runs"]

_MOST_EARLIER = 3
_Recorded = tuple[str, str | None, TrainingRun]  # its name, the sha256 of what it made, its steps


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
    for name, sha256, run in _recorded(recipe, job):
        if sha256 is not None and sha256 in known:
            continue
        known.add(sha256)
        runs[name] = run
        if len(runs) == _MOST_EARLIER:
            break
    return runs


def _recorded(recipe: str, job: str) -> Iterator[_Recorded]:
    """The recorded runs that ended and have a curve, newest first."""
    for path in sorted(run_records(recipe, job), key=_number, reverse=True):
        with contextlib.suppress(OSError):  # removed meanwhile
            status = path.stat()
            if (found := _read(path, status.st_mtime_ns, status.st_size)) is not None:
                yield found


@lru_cache(maxsize=16)
def _read(path: Path, changed: int, size: int) -> _Recorded | None:
    """Read once for each state of the file: a page asks every two seconds."""
    from olivepress.track.curves import steps_of
    from olivepress.track.record import Ended, read_lines

    started, lines = read_lines(path) or (None, [])
    ended = next((line for line in reversed(lines) if isinstance(line, Ended)), None)
    steps = steps_of(lines)
    if started is None or ended is None or len(steps) < 2:
        return None
    return started.name, ended.sha256, TrainingRun(steps=steps)


def _number(path: Path) -> int:
    number = path.stem.rpartition(".")[2]
    return int(number) if number.isdigit() else 0


def _sha256(recipe: str, job: str) -> str | None:
    try:
        return read_manifest(job_dir(recipe, job)).sha256
    except (OlivepressError, OSError):
        return None
