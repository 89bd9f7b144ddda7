"""The stages of a search of fine-tunes, each a study: short trials, finalists at full length, the final comparison.

Every process that runs the search takes trials of the present stage until none is left, and waits for those that others
run: what comes next depends on them.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from olivepress.core.errors import JobError, OlivepressError
from olivepress.core.pace import duration
from olivepress.pipeline.search.reporter import SearchReporter
from olivepress.pipeline.search.trial import remove_trial
from olivepress.study.objective import Behind, has_diverged
from olivepress.study.space import Params
from olivepress.study.storage import StorageError, Study
from olivepress.study.trials import (
    Claim,
    Point,
    Trial,
    claimed,
    ended_runs,
    finish,
    forget_lock,
    give_up,
    put_back,
    running,
    tried,
)

__all__ = ["Stage", "following_of", "params_text", "run_stage"]

_WAIT_S = 2.0
_MOST_FAILURES = 3  # in a row: then it is not the settings


@dataclass(frozen=True, kw_only=True)
class Stage:
    """``title`` names one trial of it, ``position`` says which of the ``total`` it is; ``make`` runs one and returns
    its values and facts to keep."""

    study: Study
    title: str
    total: int | None
    following: Callable[[Study], Point | None]
    is_over: Callable[[Study], bool]
    run_name: Callable[[int], str]
    make: Callable[[Claim], tuple[Sequence[float], Mapping[str, Any]]]
    position: Callable[[Claim], int]
    draw: Callable[[Trial], object] = lambda _: None


def run_stage(stage: Stage, reporter: SearchReporter, *, wait: Callable[[float], None] = time.sleep) -> None:
    """Run trials until none is left and none of another process runs. JobError after three failures in a row."""
    failures, removed = 0, set[str]()
    while True:
        with claimed(
            stage.study, stage.following, is_over=stage.is_over, run_name=stage.run_name, draw=stage.draw
        ) as claim:
            _remove_ended(stage.study, removed)
            if claim is not None:
                failed = _run_trial(stage, claim, reporter)
                failures = failures + 1 if failed else 0
                if failed and failures == _MOST_FAILURES:
                    raise JobError(
                        f"{_MOST_FAILURES} trials in a row failed, the last: {failed}",
                        next_step="correct that, then the same command goes on",
                    )
        if claim is None and not running(stage.study):
            return
        if claim is None:
            wait(_WAIT_S)


def _remove_ended(study: Study, removed: set[str]) -> None:
    """The files of trials whose process was killed before it could remove them, and that nobody will take up again."""
    for run, failed in ended_runs(study).items():
        if run not in removed:
            remove_trial(run, keep_log=failed)
            forget_lock(run)
            removed.add(run)


def _run_trial(stage: Stage, claim: Claim, reporter: SearchReporter) -> str | None:
    """Run it to its end, whatever that is; the reason where it failed. Raises StorageError, which is no end of it."""
    began = time.monotonic()
    of = f" of {stage.total}" if stage.total else ""
    title = f"{stage.title} {stage.position(claim)}{of}: {params_text(claim)}"
    reporter.begin(title + ("; once more after a kill" if claim.attempt > 1 else ""))
    failed = None
    try:
        values, facts = stage.make(claim)
    except KeyboardInterrupt:
        put_back(claim, seconds=time.monotonic() - began)
        raise
    except StorageError:  # the next call takes the trial up again, as that of a killed process
        raise
    except Behind as error:
        end = error.message
        give_up(claim, "pruned", error.message, seconds=time.monotonic() - began)
    except OlivepressError as error:
        if has_diverged(error):
            end = f"pruned, as it diverged: {error.message}"
            give_up(claim, "pruned", end, seconds=time.monotonic() - began, diverged=True)
        else:
            failed = end = f"failed: {error.message}"
            give_up(claim, "failed", str(error), seconds=time.monotonic() - began)
    else:
        end = ", ".join(f"{value:.4g}" for value in values)
        finish(claim, values, seconds=time.monotonic() - began, **facts)
    remove_trial(claim.run, keep_log=failed is not None)
    reporter.end(f"{title}: {end}, {duration(time.monotonic() - began)}")
    return failed


def params_text(claim: Claim) -> str:
    """What a trial tries, in a few words."""
    params: Params = claim.params
    words = [f"{key} {_short(value)}" for key, value in params.items()]
    words += [f"{key} {value}" for key, value in claim.facts.items()]
    origin = f" ({claim.origin})" if claim.origin else ""
    return ", ".join(words) + origin


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, tuple | list):
        return "+".join(str(each) for each in value)
    return str(value)


def following_of(points: Sequence[Point], *, again: frozenset[int] = frozenset()) -> Callable[[Study], Point | None]:
    """The points of a list, in their order, each once; those of the trials ``again`` once more."""

    def following(study: Study) -> Point | None:
        known = tried([trial for trial in study.get_trials(deepcopy=False) if trial.number not in again])
        return next((point for point in points if point.text not in known), None)

    return following
