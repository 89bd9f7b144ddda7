"""What a study knows, as plain records: for the page, for ``--json`` and for people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from olivepress.study.storage import Study, storage_errors
from olivepress.study.trials import is_counted

if TYPE_CHECKING:
    import optuna

__all__ = ["StudyRecord", "TrialRecord", "importances", "study_record"]

State = Literal["finished", "pruned", "failed", "killed", "interrupted", "running", "waiting"]
_LEAST_FOR_IMPORTANCE = 8


@dataclass(frozen=True, kw_only=True)
class TrialRecord:
    """One trial. ``values`` in the order of the study's objectives; ``curve``: percent of its length → the metric;
    ``intervals``: metric → the ends of its 95 % interval, of values that have one.

    ``counted``: whether it is one of the trials of the budget. ``diverged``: why it was pruned.
    """

    number: int
    state: State
    params: Mapping[str, Any]
    values: tuple[float, ...] = ()
    origin: str = ""
    reason: str = ""
    seconds: float | None = None
    repeats: int | None = None
    counted: bool = True
    diverged: bool = False
    curve: Mapping[int, float] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    intervals: Mapping[str, Sequence[float]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class StudyRecord:
    """A study. ``importances``: setting → its share of the variance of the first objective, by fANOVA; empty with too
    few trials.

    ``log`` are the settings whose values are drawn evenly over their logarithms.
    """

    name: str
    objectives: tuple[str, ...]
    higher: tuple[bool, ...]
    trials: tuple[TrialRecord, ...]
    importances: Mapping[str, float] = field(default_factory=dict)
    log: frozenset[str] = frozenset()

    @property
    def finished(self) -> list[TrialRecord]:
        return [trial for trial in self.trials if trial.state == "finished"]

    @property
    def best(self) -> TrialRecord | None:
        """The trial with the best value of the first objective."""
        if not self.finished:
            return None
        sign = -1 if self.higher[0] else 1
        return min(self.finished, key=lambda trial: sign * trial.values[0])


def study_record(study: Study, objectives: Sequence[str]) -> StudyRecord:
    """The study as it is now."""
    from optuna.study import StudyDirection

    with storage_errors():
        stored = study.get_trials(deepcopy=False)
        return StudyRecord(
            name=study.study_name,
            objectives=tuple(objectives),
            higher=tuple(direction == StudyDirection.MAXIMIZE for direction in study.directions),
            trials=tuple(map(_trial_record, stored)),
            importances=importances(study),
            log=frozenset(_setting(name) for trial in stored for name in _logarithmic(trial)),
        )


def _logarithmic(trial: optuna.trial.FrozenTrial) -> list[str]:
    return [name for name, values in trial.distributions.items() if getattr(values, "log", False)]


def _setting(name: str) -> str:
    """The key of ``finetune``, without the method for which Optuna's name has its values."""
    return name.partition(" (")[0]


def _trial_record(trial: optuna.trial.FrozenTrial) -> TrialRecord:
    from optuna.trial import TrialState

    facts = trial.user_attrs
    state = {TrialState.RUNNING: "running", TrialState.WAITING: "waiting"}.get(trial.state)
    return TrialRecord(
        number=trial.number,
        state=state or facts.get("outcome", "failed"),  # type: ignore[arg-type]
        params=facts.get("params", {}),
        values=tuple(trial.values or ()),
        origin=str(facts.get("origin", "")),
        reason=str(facts.get("reason", "")),
        seconds=facts.get("seconds"),
        repeats=facts.get("repeats"),
        counted=is_counted(trial),
        diverged=bool(facts.get("diverged")),
        curve=dict(trial.intermediate_values),
        intervals=facts.get("intervals", {}),
        facts={**facts.get("facts", {}), **{key: facts[key] for key in ("step", "validation") if key in facts}},
    )


def importances(study: Study) -> dict[str, float]:
    """Setting → its share of the variance of the first value of finished trials, the largest first (fANOVA; F. Hutter,
    H. Hoos, K. Leyton-Brown, ICML 2014). Empty for fewer than eight trials, for one setting, and without scikit-learn.

    Of settings that every finished trial has: what depends on the method cannot be compared with the rest.
    """
    import optuna
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE])
    trials = [trial for trial in trials if trial.params]
    names = set.intersection(*(set(trial.params) for trial in trials)) if trials else set()
    varied = sorted(name for name in names if len({trial.params[name] for trial in trials}) > 1)
    if len(trials) < _LEAST_FOR_IMPORTANCE or len(varied) < 2 or len({trial.values[0] for trial in trials}) < 2:
        return {}
    try:
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
        found = optuna.importance.get_param_importances(
            study, evaluator=evaluator, params=varied, target=lambda trial: trial.values[0]
        )
    except (ImportError, AssertionError, ArithmeticError, RuntimeError, ValueError):
        return {}  # its trees fail where the values are nearly equal (optuna/optuna issues 4772 and 5294)
    return {name: float(share) for name, share in found.items()}
