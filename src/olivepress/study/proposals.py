"""Which point is tried next: drawn by Optuna's samplers, or the next one of a list. Never one that was tried before."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from olivepress.recipe.finetune import Finetune
from olivepress.recipe.search import Search
from olivepress.study.space import Params, grid_points, same, suggest
from olivepress.study.storage import Study
from olivepress.study.trials import tried

if TYPE_CHECKING:
    import optuna

__all__ = ["make_sampler", "next_of_grid", "propose"]

_ATTEMPTS = 200  # draws of a point that is not known; a space without one left is then exhausted
_STARTUP = (5, 10)  # trials that are drawn at random before TPE begins to model: a third of the budget within these


def make_sampler(search: Search, seed: int, *, objectives: int = 1) -> optuna.samplers.BaseSampler:
    """The sampler of the recipe; with several objectives NSGA-II."""
    import optuna

    if objectives > 1:
        return optuna.samplers.NSGAIISampler(seed=seed, population_size=max(4, (search.trials or 40) // 4))
    if search.sampler == "tpe":
        low, high = _STARTUP
        startup = max(low, min(high, (search.trials or 3 * high) // 3))
        return optuna.samplers.TPESampler(multivariate=True, group=True, n_startup_trials=startup, seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)


def propose(
    study: Study, search: Search, finetune: Finetune, *, objectives: int = 1
) -> tuple[dict[str, Any], Params] | None:
    """(what Optuna drew by its own names, the params): a point that no trial has; None when there seems to be none.

    Drawn in a copy of the study in memory, so that a point that is known leaves no trial behind. The seed follows from
    the number of trials: a search that was interrupted proposes what it would have proposed.
    """
    import optuna

    trials = study.get_trials(deepcopy=False)
    known = tried(trials)
    finished = [trial for trial in trials if trial.state != optuna.trial.TrialState.WAITING and trial.params]
    for attempt in range(_ATTEMPTS):
        copy = optuna.create_study(
            directions=study.directions,
            sampler=make_sampler(search, _seed(search.seed, len(trials), attempt), objectives=objectives),
        )
        copy.add_trials(finished)
        trial = copy.ask()
        params = suggest(trial, search, finetune)
        if same(params) not in known:
            return dict(trial.params), params
    return None


def next_of_grid(study: Study, search: Search, finetune: Finetune) -> Params | None:
    """The first combination that no trial has; None when all were tried."""
    known = tried(study.get_trials(deepcopy=False))
    return next((params for params in grid_points(search, finetune) if same(params) not in known), None)


def _seed(seed: int, trials: int, attempt: int) -> int:
    digest = hashlib.sha256(f"{seed}.{trials}.{attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
