"""Points that are proposed: for several objectives by NSGA-II, whose generations follow from the order of trials."""

from __future__ import annotations

import json
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


def near(drawn: list[float]) -> int:
    """How many lie among the parents: a tenth of the space."""
    return sum(2.8e-4 < rate < 1.4e-3 for rate in drawn)


def test_the_second_generation_descends_from_the_best_of_the_first() -> None:
    search = search_of()
    study = study_of(search, 12)
    # A population of four: the parents of the next trials are the best four of the first twelve, near 1e-3.
    at_random = near(rates(search.model_copy(update={"sampler": "random"}), study))
    assert near(rates(search, study)) >= 6 > at_random
    assert near(rates(search, study_of(search, 3))) < 6  # the first generation is random


def test_one_objective_keeps_tpe() -> None:
    assert isinstance(make_sampler(search_of(), 0), optuna.samplers.NSGAIISampler)
    assert isinstance(make_sampler(search_of(joint=None), 0), optuna.samplers.TPESampler)


def test_every_point_of_a_small_space_is_tried_although_tpe_prefers_some() -> None:
    axes = {"r": {"choices": [4, 8, 16, 32]}, "batch_size": {"choices": [8, 16, 32]}, "trials": 24}
    search = Search.model_validate_json(json.dumps(axes))
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study()
    while (proposed := propose(study, search, FINETUNE)) is not None:
        drawn, params = proposed
        fixed = optuna.trial.FixedTrial(drawn)
        suggest(fixed, search, FINETUNE)
        study.add_trial(
            optuna.trial.create_trial(
                params=drawn,
                distributions=fixed.distributions,
                value=float(params["r"]) + float(params["batch_size"]),  # type: ignore[arg-type]
                user_attrs={"point": Point(params=params).text},
            )
        )
    assert len({trial.user_attrs["point"] for trial in study.trials}) == len(study.trials) == 12


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
