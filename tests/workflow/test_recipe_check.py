"""What a recipe asks that its model, its rows or its other keys can be known not to give."""

from __future__ import annotations

import json
from typing import Any

import pytest

from olivepress.core.errors import RecipeError
from olivepress.data.build import build_dataset
from olivepress.recipe.schema import Recipe
from olivepress.workflow.plan import make_plan
from olivepress.workflow.recipe_check import check_recipe

BASE: dict[str, Any] = {
    "name": "mine",
    "model": {"path": "embedded:tiny-phi"},
    "data": {"demo": "short-qa", "max_train_rows": 16, "max_test_rows": 8},
    "targets": ["cpu-int4"],
}


def plan_of(**changes: Any) -> None:
    recipe = Recipe.model_validate_json(json.dumps({**BASE, **changes}))
    assert recipe.data is not None
    make_plan(recipe, build_dataset(recipe.data))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"budget": {"all": {"max_cost": 1}}}, "budget.all.max_cost is measured only with benchmark.price_per_hour"),
        (
            {"budget": {"cpu-int4": {"min_json_valid": 0.9}}},
            "budget.cpu-int4.min_json_valid is measured only with test",
        ),
        (
            {"budget": {"all": {"min_json_schema_match": 0.9}}},
            "min_json_schema_match is measured only with a JSON Schema",
        ),
        ({"budget": {"all": {"min_label_accuracy_constrained": 0.9}}}, "only with test rows with a label"),
        ({"benchmark": {"text_window": 64}}, "benchmark.text_window is 64, expected a text for it in benchmark.text"),
        ({"benchmark": {"text": __file__, "text_window": 99999}}, "text_window is 99999, expected at most the context"),
        ({"model": {"path": "embedded:tiny-phi", "revision": "main"}}, "model.revision is 'main', expected none for a"),
        ({"model": {"path": "Qwen/Qwen2.5-0.5B-Instruct", "revision": "../x"}}, "model.revision is '../x', expected a"),
        ({"finetune": {"r": 4096}}, "finetune.r is 4096, expected at most the width of the model, 256"),
        ({"data": {**BASE["data"], "max_length": 99999}}, "data.max_length is 99999, expected at most the context"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_runs(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(RecipeError) as caught:
        plan_of(**changes)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"budget": {"all": {"max_cost": 1}}, "benchmark": {"price_per_hour": 1.0, "currency": "EUR"}},
        {"budget": {"all": {"min_json_valid": 0.9}}, "data": {**BASE["data"], "demo": "device-command"}},
        {"budget": {"all": {"min_label_accuracy_constrained": 0.9}}, "data": {**BASE["data"], "demo": "phrase-tone"}},
        {"benchmark": {"text": __file__, "text_window": 64}},
        {"model": {"path": "Qwen/Qwen2.5-0.5B-Instruct", "revision": "refs/pr/1"}},
    ],
)
def test_what_can_be_is_taken(changes: dict[str, Any]) -> None:
    plan_of(**changes)


def _ministral(context: int) -> Any:
    """Facts of a Ministral 3 whose text model was trained on 256 tokens and stretched to ``context``."""
    from types import SimpleNamespace

    rope = {"rope_type": "yarn", "original_max_position_embeddings": 256, "llama_4_scaling_beta": 0.1}
    config = {"hidden_size": 64, "max_position_embeddings": context, "rope_parameters": rope}
    return SimpleNamespace(config={"model_type": "ministral3", **config})


@pytest.mark.parametrize(
    ("length", "context", "refused"), [(256, 2048, False), (257, 2048, True), (128, 128, False), (512, 2048, True)]
)
def test_ministral_3_is_refused_beyond_the_context_that_is_built_right(
    length: int, context: int, refused: bool
) -> None:
    recipe = Recipe.model_validate_json(json.dumps({**BASE, "data": {**BASE["data"], "max_length": length}}))
    assert recipe.data is not None
    dataset = build_dataset(recipe.data)
    if not refused:
        check_recipe(recipe, _ministral(context), dataset)
        return
    with pytest.raises(RecipeError, match=f"max_length is {length}, expected at most the original context .*, 256"):
        check_recipe(recipe, _ministral(context), dataset)
