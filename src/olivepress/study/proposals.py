"""Which point is tried next: drawn by Optuna's samplers, or the next one of a list. Never one that was tried before."""

from __future__ import annotations

import copy
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
_LEARNED = 100  # of these draws by the sampler of the recipe, the rest at random
_GENERATION = (4, 20)  # the fewest and the most trials of a generation of NSGA-II
_STARTUP = (5, 10)  # trials that are drawn at random before TPE begins to model: a third of the budget within these


def make_sampler(search: Search, seed: int) -> optuna.samplers.BaseSampler:
    """The sampler of the recipe, with a seed of its own for each draw; NSGA-II in place of TPE for several objectives
    (K. Deb et al., IEEE Trans. Evol. Comput. 6 (2002) 182-197)."""
    import optuna

    if search.joint is not None and search.sampler == "tpe":
        # Uniform crossover, the default, only repeats the numbers of the parents: most children would be known points.
        crossover = optuna.samplers.nsgaii.SBXCrossover()
        return optuna.samplers.NSGAIISampler(population_size=_population(search), crossover=crossover, seed=seed)
    if search.sampler == "tpe":
        low, high = _STARTUP
        startup = max(low, min(high, (search.trials or 3 * high) // 3))
        return optuna.samplers.TPESampler(multivariate=True, group=True, n_startup_trials=startup, seed=seed)
    return optuna.samplers.RandomSampler(seed=seed)


def propose(study: Study, search: Search, finetune: Finetune) -> tuple[dict[str, Any], Params] | None:
    """(what Optuna drew by its own names, the params): a point that no trial has; None when there seems to be none.

    Drawn in a copy of the study in memory, so that a point that is known leaves no trial behind. The seed follows from
    the number of trials: a search that was interrupted proposes what it would have proposed. A sampler that has learned
    proposes the best points of a small space again and again: what it leaves is then drawn at random.
    """
    import optuna

    trials = study.get_trials(deepcopy=False)
    known = tried(trials)
    finished = [trial for trial in trials if trial.state != optuna.trial.TrialState.WAITING and trial.params]
    for attempt in range(_ATTEMPTS):
        seed = _seed(search.seed, len(trials), attempt)
        sampler = make_sampler(search, seed) if attempt < _LEARNED else optuna.samplers.RandomSampler(seed=seed)
        drawn_in = optuna.create_study(directions=study.directions, sampler=sampler)
        drawn_in.add_trials(_with_generations(finished, sampler))
        trial = drawn_in.ask()
        params = suggest(trial, search, finetune)
        if same(params) not in known:
            return dict(trial.params), params
    return None


def _population(search: Search) -> int:
    """Trials of a generation: small, as a trial takes minutes and parents come with the second generation."""
    low, high = _GENERATION
    return max(low, min(high, (search.trials or 4 * high) // 4))


def _with_generations(
    trials: list[optuna.trial.FrozenTrial], sampler: optuna.samplers.BaseSampler
) -> list[optuna.trial.FrozenTrial]:
    """The trials as NSGA-II marks them, which keeps the generation of a trial with it: as many as finished one after
    the other are one. It follows from their order, whatever processes took them."""
    import optuna

    if not isinstance(sampler, optuna.samplers.NSGAIISampler):
        return trials
    marked, finished, size = [], 0, sampler.population_size or 1
    for trial in trials:
        each = copy.copy(trial)
        if trial.state == optuna.trial.TrialState.COMPLETE:
            generation = finished // size
            each.system_attrs = {**trial.system_attrs, sampler._get_generation_key(): generation}
            finished += 1
        marked.append(each)
    return marked


def next_of_grid(study: Study, search: Search, finetune: Finetune) -> Params | None:
    """The first combination that no trial has; None when all were tried."""
    known = tried(study.get_trials(deepcopy=False))
    return next((params for params in grid_points(search, finetune) if same(params) not in known), None)


def _seed(seed: int, trials: int, attempt: int) -> int:
    digest = hashlib.sha256(f"{seed}.{trials}.{attempt}".encode()).digest()
    return int.from_bytes(digest[:4], "big")
