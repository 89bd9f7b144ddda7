"""Spaces: what Optuna draws is what a recipe gets, and the way back."""

from __future__ import annotations

import json
from typing import Any

import optuna
import pytest

from olivepress.recipe.finetune import Finetune
from olivepress.recipe.search import Search, grid_size
from olivepress.study.space import apply, contains, encode, grid_points, params_of, same, suggest

FINETUNE = Finetune()


def search_of(**keys: Any) -> Search:
    return Search.model_validate_json(json.dumps({"trials": 5, **keys}))


METHODS = search_of(
    method={"choices": ["lora", "full"]},
    r={"low": 4, "high": 64, "step": 4},
    learning_rate={
        "by_method": {"lora": {"low": 1e-4, "high": 1e-2, "log": True}, "full": {"low": 1e-6, "high": 1e-5}}
    },
    target_modules={"choices": [["a"], ["a", "b"]]},
    freeze_layers={"low": 0, "high": 3},
    batch_size={"choices": [8, 16]},
)


def test_what_is_drawn_depends_on_the_method_and_comes_back() -> None:
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=1))
    seen = set[str]()
    for _ in range(40):
        trial = study.ask()
        params = suggest(trial, METHODS, FINETUNE)
        method = str(params["method"])
        seen.add(method)
        expected = {"method", "learning_rate", "batch_size"}
        expected |= {"r", "target_modules"} if method == "lora" else {"freeze_layers"}
        assert set(params) == expected
        low, high = (1e-4, 1e-2) if method == "lora" else (1e-6, 1e-5)
        assert low <= float(params["learning_rate"]) <= high  # type: ignore[arg-type]
        assert params.get("r", 4) in range(4, 65, 4)
        assert contains(METHODS, FINETUNE, params)
        fixed = optuna.trial.FixedTrial(encode(METHODS, FINETUNE, params))
        assert suggest(fixed, METHODS, FINETUNE) == params
        settings = apply(FINETUNE, params)
        assert params_of(METHODS, settings) == params
        assert all(getattr(settings, key) == value for key, value in params.items())
    assert seen == {"lora", "full"}


def test_keys_that_the_method_ignores_go_back_to_their_defaults() -> None:
    recipe = Finetune(r=64, alpha=8)
    settings = apply(recipe, {"method": "full", "learning_rate": 1e-6, "batch_size": 8, "freeze_layers": 0})
    assert settings.method == "full" and settings.r == Finetune().r


def test_settings_that_do_not_go_together_are_an_error() -> None:
    with pytest.raises(ValueError, match="torch_dtype bfloat16 or float32 with method lora"):
        apply(FINETUNE, {"torch_dtype": "float16"})


def test_a_grid_has_each_point_once() -> None:
    search = search_of(
        sampler="grid",
        method={"choices": ["lora", "full"]},
        r={"low": 4, "high": 12, "step": 4},
        lora_dropout={"low": 0, "high": 0.1, "step": 0.05},
        batch_size={"choices": [8, 16]},
    )
    points = list(grid_points(search, FINETUNE))
    assert len(points) == grid_size(search) == 3 * 3 * 2 + 2
    assert len({same(point) for point in points}) == len(points)
    assert all(contains(search, FINETUNE, point) for point in points)
    assert {point["lora_dropout"] for point in points if point["method"] == "lora"} == {0.0, 0.05, 0.1}


def test_points_outside_are_seen() -> None:
    search = search_of(r={"low": 4, "high": 64, "step": 4}, learning_rate={"low": 1e-5, "high": 1e-3})
    assert contains(search, FINETUNE, {"r": 8, "learning_rate": 1e-4})
    for outside in ({"r": 6, "learning_rate": 1e-4}, {"r": 8, "learning_rate": 1e-2}, {"r": 8}):
        assert not contains(search, FINETUNE, outside)


def test_equal_points_are_the_same_text() -> None:
    assert same({"r": 8, "learning_rate": 0.1 + 0.2}) == same({"learning_rate": 0.3, "r": 8.0})
    assert same({"r": 8}) != same({"r": 9})
    assert same({"packing": True}) != same({"packing": 1.5})
