"""The trials of a study: taken one at a time by any number of processes, finished, failed, or taken from a dead one.

A process keeps a lock on each trial that it runs. Where the lock is free and the trial has no end, the process was
killed: the trial is tried once more, by whoever comes next, from its last checkpoint. No clock decides that.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from olivepress.core.errors import JobError
from olivepress.core.layout import STUDY_LOCKS
from olivepress.core.process import exclusive
from olivepress.study.space import Params, same
from olivepress.study.storage import Study, storage_errors, study_lock

if TYPE_CHECKING:
    import optuna
    from optuna import Trial as Trial
else:
    Trial = "of Optuna, which is imported late"

__all__ = ["Claim", "Outcome", "Point", "Trial", "add_ended", "add_known", "claimed", "enqueue", "finish", "give_up"]
__all__ += ["ended_runs", "failed_trials", "finished_trials", "forget_lock", "is_counted", "put_back", "release_dead"]
__all__ += ["running", "spent", "tried"]

Outcome = Literal["finished", "pruned", "failed", "killed", "interrupted"]
_MOST_ATTEMPTS = 2  # of a trial whose process is killed


@dataclass(frozen=True, kw_only=True)
class Point:
    """What a trial tries: ``params``, and what Optuna's samplers shall know of them (``drawn``, by its own names).

    ``facts`` are kept with the trial; ``origin`` names where the point comes from, if not from a sampler.
    """

    params: Params
    drawn: Mapping[str, Any] = field(default_factory=dict)
    origin: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """Equal for points that try the same."""
        return same({**self.params, **self.facts})


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A trial that this process runs. ``run`` is the name of its recipe; ``attempt`` 2 after a kill."""

    study: Study
    trial: Trial
    params: Params
    run: str
    origin: str
    attempt: int
    facts: Mapping[str, Any]

    @property
    def number(self) -> int:
        return self.trial.number


Next = Callable[[Study], "Point | None"]
IsOver = Callable[[Study], bool]


@contextlib.contextmanager
def claimed(
    study: Study,
    following: Next,
    *,
    is_over: IsOver,
    run_name: Callable[[int], str],
    draw: Callable[[Trial], object] = lambda _: None,
) -> Iterator[Claim | None]:
    """The next trial for this process, its lock held in the block; None when none is left to take.

    A trial that waits (one to repeat, or a first point) comes before ``following``, which is asked under the lock of
    the database. ``draw`` lets Optuna record the params that it was given.
    """
    with contextlib.ExitStack() as stack:
        with storage_errors(), study_lock():
            release_dead(study)
            claim = None if is_over(study) else _take(study, following, run_name, draw)
            if claim is not None:
                stack.enter_context(exclusive(STUDY_LOCKS / claim.run))
        try:
            yield claim
        finally:
            if claim is not None:
                forget_lock(claim.run)


def _take(
    study: Study, following: Next, run_name: Callable[[int], str], draw: Callable[[Trial], object]
) -> Claim | None:
    from optuna.trial import TrialState

    if not study.get_trials(deepcopy=False, states=[TrialState.WAITING]):
        point = following(study)
        if point is None:
            return None
        enqueue(study, point)
    trial = study.ask()
    attributes = trial.user_attrs
    run = str(attributes.get("run") or run_name(trial.number))
    trial.set_user_attr("run", run)
    if attributes.get("drawn"):
        draw(trial)
    return Claim(
        study=study,
        trial=trial,
        params=_tuples(attributes["params"]),
        run=run,
        origin=str(attributes.get("origin", "")),
        attempt=int(attributes.get("attempt", 1)),
        facts=attributes.get("facts", {}),
    )


def enqueue(study: Study, point: Point, **more: Any) -> None:
    """Let the point be the next that is taken."""
    study.enqueue_trial(dict(point.drawn), user_attrs={**_attributes(point), **more})


def _attributes(point: Point) -> dict[str, Any]:
    return {
        "point": point.text,
        "params": dict(point.params),
        "drawn": dict(point.drawn),
        "origin": point.origin,
        "facts": dict(point.facts),
    }


def add_known(study: Study, point: Point, value: float, draw: Callable[[optuna.trial.BaseTrial], object]) -> None:
    """A point whose value is known from elsewhere: it counts for the sampler, and not for the budget."""
    import optuna

    fixed = optuna.trial.FixedTrial(dict(point.drawn))
    draw(fixed)
    attributes = {**_attributes(point), "outcome": "finished", "known": True}
    trial = optuna.trial.create_trial(
        params=dict(point.drawn), distributions=fixed.distributions, value=value, user_attrs=attributes
    )
    study.add_trial(trial)


def add_ended(study: Study, point: Point, values: Sequence[float] | None, reason: str = "") -> None:
    """A trial that was made outside of the study: with its values, or failed for that reason where they are None.

    One of the same point that ended in the same way is there once.
    """
    import optuna
    from optuna.trial import TrialState

    outcome, state = ("failed", TrialState.FAIL) if values is None else ("finished", TrialState.COMPLETE)
    attributes = {**_attributes(point), "outcome": outcome, "reason": reason}
    with storage_errors(), study_lock():
        for trial in study.get_trials(deepcopy=False):
            same_point = trial.user_attrs.get("point") == point.text
            if same_point and (trial.values, trial.user_attrs.get("reason")) == (values and list(values), reason):
                return
        study.add_trial(optuna.trial.create_trial(state=state, values=values, user_attrs=attributes))


def finish(claim: Claim, values: Sequence[float], *, seconds: float, **facts: Any) -> None:
    """The trial has its values."""
    _end(claim, "finished", seconds=seconds, values=list(values), **facts)


def give_up(claim: Claim, outcome: Outcome, reason: str, *, seconds: float, diverged: bool = False) -> None:
    """The trial has no value: it was pruned (it ``diverged``, or is behind the others), or failed."""
    facts: dict[str, Any] = {"diverged": True} if diverged else {}
    _end(claim, outcome, seconds=seconds, reason=reason, **facts)


def _end(claim: Claim, outcome: Outcome, *, values: list[float] | None = None, **facts: Any) -> None:
    from optuna.trial import TrialState

    states = {"finished": TrialState.COMPLETE, "pruned": TrialState.PRUNED}
    with storage_errors():
        for name, value in {"outcome": outcome, **facts}.items():
            claim.trial.set_user_attr(name, value)
        claim.study.tell(claim.trial, values, state=states.get(outcome, TrialState.FAIL))


def put_back(claim: Claim, *, seconds: float) -> None:
    """Ctrl-C: the next search takes it up again, as if it had not been interrupted."""
    with storage_errors(), study_lock():
        _again(claim.study, claim.study.get_trials(deepcopy=False)[claim.number], claim.attempt)
        _end(claim, "interrupted", reason="interrupted; it is taken up again", seconds=seconds)


def release_dead(study: Study) -> None:
    """Give every trial whose process is gone to the next process, or end it where that happened twice."""
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
        run = trial.user_attrs.get("run")
        if run is not None and not _is_free(str(run)):
            continue
        # The process may have ended the trial after the list was read and before it freed the lock.
        now = study.get_trials(deepcopy=False)[trial.number]
        if now.state != TrialState.RUNNING:
            continue
        attempt = int(now.user_attrs.get("attempt", 1))
        reason = "its process was killed; it is tried once more"
        if attempt >= _MOST_ATTEMPTS:
            reason = "its process was killed twice"
        elif "point" in now.user_attrs:
            _again(study, now, attempt + 1)
        storage = study._storage
        for name, value in {"outcome": "killed", "reason": reason}.items():
            storage.set_trial_user_attr(now._trial_id, name, value)
        study.tell(now.number, state=TrialState.FAIL)


def _again(study: Study, trial: optuna.trial.FrozenTrial, attempt: int) -> None:
    """Let the trial be taken again, under the same name: its fine-tune goes on from its last checkpoint."""
    if any(other.user_attrs.get("repeats") == trial.number for other in study.get_trials(deepcopy=False)):
        return
    kept = {key: trial.user_attrs[key] for key in ("point", "params", "drawn", "origin", "facts")}
    again = {"run": trial.user_attrs.get("run"), "attempt": attempt, "repeats": trial.number}
    study.enqueue_trial(dict(kept["drawn"]), user_attrs={**kept, **again})


def _is_free(run: str) -> bool:
    folder = STUDY_LOCKS / run
    if not folder.is_dir():
        return True
    try:
        with exclusive(folder):
            return True
    except JobError:
        return False
    except FileNotFoundError:  # its process has just removed it
        return True


def forget_lock(run: str) -> None:
    """Remove the lock of a run that has ended."""
    shutil.rmtree(STUDY_LOCKS / run, ignore_errors=True)


def ended_runs(study: Study) -> dict[str, bool]:
    """The run of every trial that no process has or will take up again → whether it ended without a result, through an
    error or a kill."""
    from optuna.trial import TrialState

    with storage_errors():
        trials = study.get_trials(deepcopy=False)
    goes_on = {str(trial.user_attrs.get("run")) for trial in trials if not trial.state.is_finished()}
    outcomes = {
        str(trial.user_attrs["run"]): trial.user_attrs.get("outcome")
        for trial in trials
        if trial.state != TrialState.WAITING and trial.user_attrs.get("run")
    }
    return {
        run: outcome in ("failed", "killed")
        for run, outcome in outcomes.items()
        if run not in goes_on and _is_free(run)
    }


def is_counted(trial: optuna.trial.FrozenTrial) -> bool:
    """Whether it is one of the trials of the budget: not one that is repeated, waits, or was known before."""
    from optuna.trial import TrialState

    if trial.state == TrialState.WAITING or trial.user_attrs.get("known"):
        return False
    outcome, attempt = trial.user_attrs.get("outcome"), trial.user_attrs.get("attempt", 1)
    return outcome != "interrupted" and (outcome != "killed" or attempt >= _MOST_ATTEMPTS)


def spent(trials: Sequence[optuna.trial.FrozenTrial]) -> tuple[int, float]:
    """Trials of the budget so far, and the seconds that all together took."""
    seconds = sum(float(trial.user_attrs.get("seconds", 0.0)) for trial in trials)
    return sum(map(is_counted, trials)), seconds


def running(study: Study) -> bool:
    """Whether some process runs a trial of it, or did until it was killed."""
    from optuna.trial import TrialState

    with storage_errors():
        return bool(study.get_trials(deepcopy=False, states=[TrialState.RUNNING]))


def finished_trials(study: Study) -> list[optuna.trial.FrozenTrial]:
    """Those that have their values, in the order in which they began."""
    from optuna.trial import TrialState

    with storage_errors():
        return study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])


def failed_trials(study: Study) -> list[optuna.trial.FrozenTrial]:
    """Those of the budget that ended with an error, or whose process was killed at every attempt."""
    with storage_errors():
        trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if is_counted(trial) and trial.user_attrs.get("outcome") in ("failed", "killed")]


def tried(trials: Sequence[optuna.trial.FrozenTrial]) -> set[str]:
    """What the trials of a study try or will try. A killed one counts by the trial that repeats it."""
    return {str(trial.user_attrs["point"]) for trial in trials if "point" in trial.user_attrs}


def _tuples(params: Mapping[str, Any]) -> dict[str, Any]:
    """Params as they were before the database: it has lists only."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in params.items()}
