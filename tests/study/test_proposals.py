"""Points that are proposed: for several objectives by NSGA-II, whose generations follow from the order of trials."""

from __future__ import annotations

import json
import math
from typing import Any

import optuna

from olivepress.recipe.finetune import Finetune
from olivepress.recipe.search import Search
from olivepress.study.proposals import make_sampler, propose
from olivepress.study.space import apply, contains, encode, grid_points, params_of, suggest
from olivepress.study.trials import Point

FINETUNE = Finetune()
TARGETS = ["cpu-int8", "cpu-int4"]


def search_of(**keys: Any) -> Search:
    axes = {"learning_rate": {"low": 1e-5, "high": 1e-1, "log": True}, "joint": {"targets": TARGETS}, "trials": 16}
    return Search.model_validate_json(json.dumps({**axes, **keys}))


def study_of(search: Search, count: int) -> optuna.Study:
    """Finished trials, better in everything with a learning rate closer to 1e-3."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(directions=["maximize", "maximize", "minimize"])
    for number in range(count):
        rate = 10 ** (-4.9 + 0.2 * number)
        params = {"target": TARGETS[number % 2], "learning_rate": rate}
        drawn = encode(search, FINETUNE, params)
        fixed = optuna.trial.FixedTrial(drawn)
        suggest(fixed, search, FINETUNE)
        point = Point(params=params, drawn=drawn)
        value = -abs(rate - 1e-3)
        study.add_trial(
            optuna.trial.create_trial(
                params=drawn,
                distributions=fixed.distributions,
                values=[value, value, -value],
                user_attrs={"point": point.text, "params": params},
            )
        )
    return study


def rates(search: Search, study: optuna.Study) -> list[float]:
    drawn = []
    for seed in range(12):
        proposed = propose(study, search.model_copy(update={"seed": seed}), FINETUNE)
        assert proposed is not None and contains(search, FINETUNE, proposed[1])
        drawn.append(float(proposed[1]["learning_rate"]))  # type: ignore[arg-type]
    return drawn


def inherited_of(drawn: list[float], known: list[float]) -> list[float]:
    """Those of the known rates that were drawn again; a crossover of logarithms rounds the last digits."""
    return [rate for each in drawn for rate in known if math.isclose(each, rate, rel_tol=1e-9)]


def test_the_second_generation_descends_from_the_best_of_the_first() -> None:
    search = search_of()
    study = study_of(search, 12)
    known = [trial.user_attrs["params"]["learning_rate"] for trial in study.trials]
    inherited = inherited_of(rates(search, study), known)
    # A population of four: of twelve trials the third generation's parents are the best four.
    best = sorted(known, key=lambda rate: abs(rate - 1e-3))[:4]
    assert len(inherited) >= 4 and set(inherited) <= set(best)
    assert not inherited_of(rates(search.model_copy(update={"sampler": "random"}), study), known)
    assert not inherited_of(rates(search, study_of(search, 3)), known)  # the first generation is random


def test_one_objective_keeps_tpe() -> None:
    assert isinstance(make_sampler(search_of(), 0), optuna.samplers.NSGAIISampler)
    assert isinstance(make_sampler(search_of(joint=None), 0), optuna.samplers.TPESampler)


def test_the_target_is_a_setting_that_finetune_does_not_see() -> None:
    search = search_of(sampler="grid", learning_rate={"choices": [1e-4, 1e-3]})
    points = list(grid_points(search, FINETUNE))
    assert [(each["target"], each["learning_rate"]) for each in points] == [
        ("cpu-int8", 1e-4),
        ("cpu-int8", 1e-3),
        ("cpu-int4", 1e-4),
        ("cpu-int4", 1e-3),
    ]
    assert params_of(search, FINETUNE)["target"] == "cpu-int8"
    assert apply(FINETUNE, points[0]).learning_rate == 1e-4
    assert not contains(search, FINETUNE, {"target": "cuda-int4", "learning_rate": 1e-4})
    assert not contains(search, FINETUNE, {"learning_rate": 1e-4})
    assert not contains(search_of(joint=None, learning_rate={"choices": [1e-4]}), FINETUNE, points[0])
