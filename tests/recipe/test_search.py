"""The key ``search`` of a recipe: what it takes, and in which words it refuses the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from olivepress.core.errors import RecipeError
from olivepress.recipe.finetune import Finetune
from olivepress.recipe.schema import Recipe, json_schema, load_recipe
from olivepress.recipe.search import NOT_SEARCHED, SEARCHED, grid_size

RECIPE: dict[str, Any] = {
    "name": "t", "model": {"path": "embedded:tiny-phi"}, "data": {"demo": "short-qa"}, "targets": ["cpu-fp32"],
}  # fmt: skip
RATE = {"learning_rate": {"low": 1e-5, "high": 1e-3, "log": True}}


def read(search: dict[str, Any], **keys: Any) -> Recipe:
    return Recipe.model_validate_json(json.dumps(RECIPE | keys | {"search": search}))


def test_every_key_of_finetune_is_searched_or_refused_with_its_reason() -> None:
    assert set(SEARCHED) | set(NOT_SEARCHED) | {"seed"} == set(Finetune.model_fields)
    assert not set(SEARCHED) & set(NOT_SEARCHED)


def test_what_the_issue_writes_is_read() -> None:
    search = read(
        {**RATE, "r": {"low": 4, "high": 64, "step": 4}, "batch_size": {"choices": [8, 16, 32]}, "trials": 24}
    ).search
    assert search is not None
    assert list(search.axes) == ["r", "learning_rate", "batch_size"]
    assert search.axes["batch_size"].choices == (8, 16, 32)
    assert search.axes["learning_rate"].log and search.trials == 24 and search.sampler == "tpe"


def test_lists_and_methods_with_values_of_their_own() -> None:
    search = read(
        {
            "method": {"choices": ["lora", "full"]},
            "target_modules": {"choices": [["qkv_proj"], ["qkv_proj", "o_proj"]]},
            "learning_rate": {"by_method": {"lora": {"low": 1e-4, "high": 1e-2}, "full": {"choices": [1e-6]}}},
            "minutes": 30,
        }
    ).search
    assert search is not None and search.methods == ("lora", "full")
    assert search.axes["target_modules"].choices == (("qkv_proj",), ("qkv_proj", "o_proj"))
    assert search.axes["learning_rate"].of_method("full").choices == (1e-6,)  # type: ignore[union-attr]
    assert search.axes["learning_rate"].of_method("dora") is None


@pytest.mark.parametrize(
    ("search", "says"),
    [
        ({"trials": 3}, "expected at least one key to search: method, r, alpha,"),
        ({"learning_rate": {"low": 0, "high": 1, "log": True}, "trials": 3}, "low above 0 with log: true"),
        ({"learning_rate": {"low": 1e-3, "high": 1e-5}, "trials": 3}, "low below high, not 0.001 and 1e-05"),
        ({"learning_rate": {"low": 1e-3}, "trials": 3}, "both low and high, or choices"),
        ({"learning_rate": {"low": -1, "high": 1}, "trials": 3}, "greater than 0 as learning_rate.low, not -1"),
        ({"r": {"low": 4, "high": 64, "step": 7}, "trials": 3}, "a step that leads from low to high; 7 does not"),
        ({"r": {"low": 1.5, "high": 64}, "trials": 3}, "a whole number as r.low, not 1.5"),
        ({"r": {"low": 4, "high": 64, "step": 4, "log": True}, "trials": 3}, "either log or step"),
        ({"r": {"choices": []}, "trials": 3}, "at least one value in choices"),
        ({"r": {"choices": [8, 8]}, "trials": 3}, "each of choices once, 8 is there twice"),
        ({"r": {"choices": [None]}, "trials": 3}, "a value in r.choices, not null"),
        ({"optim": {"choices": ["sgd"]}, "trials": 3}, 'in optim.choices, not "sgd"'),
        ({"optim": {"low": 1, "high": 2}, "trials": 3}, "choices for optim, which is no number"),
        ({"r": {}, "trials": 3}, "low and high, or choices, or by_method"),
        ({"epochs": {"choices": [1, 2]}, "trials": 3}, "no key 'epochs' under search: all trials train equally long"),
        ({"label_smoothing": {"low": 0, "high": 0.1}, "trials": 3}, "it changes what the validation loss measures"),
        ({**RATE, "seed": {"choices": [1, 2]}, "trials": 3}, "a number as seed: a seed is no setting"),
        (RATE, "trials or minutes (or both), which end the search"),
        ({**RATE, "sampler": "grid", "trials": 3}, "choices or a step for learning_rate with sampler: grid"),
        ({"r": {"low": 1, "high": 8}, "method": {"choices": ["full"]}, "trials": 3}, "no key 'r' with method full"),
        ({"method": {"choices": ["lora", "dpo"]}, "trials": 3}, "dpo alone as method: its validation loss is that of"),
        ({"beta": {"low": 0.1, "high": 1}, "trials": 3}, "no key 'beta' under search: it changes what the validation"),
        ({"freeze_layers": {"low": 0, "high": 1}, "trials": 3}, "no search.freeze_layers with method lora"),
        ({**RATE, "trials": 3, "joint": {"targets": ["a", "b", "a"]}}, "each target once, 'a' is there twice"),
        ({**RATE, "trials": 3, "joint": {"choose": "cheapest"}}, "search.joint.choose"),
        ({"learning_rat": {"low": 1, "high": 2}}, "unknown key 'search.learning_rat'; did you mean 'learning_rate'?"),
    ],
)
def test_what_cannot_be_searched_is_refused_in_one_line(tmp_path: Path, search: dict[str, Any], says: str) -> None:
    path = tmp_path / "t.yaml"
    path.write_text(yaml.safe_dump(RECIPE | {"search": search}))
    with pytest.raises(RecipeError) as error:
        load_recipe(path)
    assert says in str(error.value) and "\n" not in str(error.value), str(error.value)


def test_a_grid_without_a_budget_is_small() -> None:
    axes = {"sampler": "grid", "r": {"low": 1, "high": 100}, "batch_size": {"low": 1, "high": 100}}
    with pytest.raises(ValueError, match=r"trials or minutes, as the grid has 10,000 points"):
        read(axes)
    assert grid_size(read(axes | {"minutes": 5}).search) == 10_000  # type: ignore[arg-type]
    assert read({"sampler": "grid", "r": {"choices": [4, 8]}}).search is not None


def test_a_step_of_almost_nothing_is_refused_before_its_values_are_listed() -> None:
    many = {"learning_rate": {"low": 1e-5, "high": 1e-3, "step": 9.9e-13}, "sampler": "grid", "trials": 5}
    with pytest.raises(
        ValueError, match=r"a larger step for learning_rate with sampler: grid, as it has 1,000,000,001"
    ):
        read(many)
    with pytest.raises(ValueError, match=r"a step that leads from low to high; 9.99989e-321 does not"):
        read({"learning_rate": {"low": 1e-5, "high": 1e-3, "step": 1e-320}, "trials": 5})


def test_a_grid_counts_what_each_method_takes() -> None:
    axes = {"sampler": "grid", "method": {"choices": ["lora", "full"]}, "r": {"choices": [4, 8, 16]}}
    search = read({**axes, "batch_size": {"choices": [8, 16]}}).search
    assert search is not None and grid_size(search) == 3 * 2 + 2


def test_a_search_needs_evaluations() -> None:
    with pytest.raises(ValueError, match=r"finetune.eval_steps that evaluates"):
        read({**RATE, "trials": 3}, finetune={"eval_steps": 0, "keep": "last"})


def test_a_recipe_with_a_search_is_read_again_as_it_was_written() -> None:
    recipe = read(
        {
            **RATE,
            "method": {"choices": ["lora", "full"]},
            "target_modules": {"choices": [["qkv_proj"], ["qkv_proj", "o_proj"]]},
            "r": {"by_method": {"lora": {"low": 4, "high": 8}}},
            "neftune_noise_alpha": {"choices": [None, 5]},
            "minutes": 3,
        }
    )
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe
    assert Recipe.model_validate_json(json.dumps(recipe.model_dump(mode="json"))) == recipe
    schema = json.loads(json_schema())
    assert set(SEARCHED) < set(schema["$defs"]["Search"]["properties"])
