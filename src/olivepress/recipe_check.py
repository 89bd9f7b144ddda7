"""What a recipe asks of its model and data that can be known to fail before anything runs."""

from __future__ import annotations

from pathlib import Path

from olivepress.catalog import ModelFacts
from olivepress.errors import RecipeError
from olivepress.recipe import Recipe

__all__ = ["check_recipe"]


def check_recipe(recipe: Recipe, facts: ModelFacts, *, train_rows: int) -> None:
    """Raise RecipeError naming the key whose value this model or these rows cannot take."""
    width, context = facts.config["hidden_size"], facts.config.get("max_position_embeddings")
    if recipe.finetune.r > width:
        _refuse(recipe, "finetune.r", recipe.finetune.r, f"at most the width of the model, {width}")
    if recipe.data is not None and isinstance(context, int) and recipe.data.max_length > context:
        _refuse(recipe, "data.max_length", recipe.data.max_length, f"at most the context of the model, {context}")
    if recipe.benchmark.few_shot > train_rows:
        _refuse(recipe, "benchmark.few_shot", recipe.benchmark.few_shot, f"at most the {train_rows} training rows")
    if recipe.benchmark.text is not None and not Path(recipe.benchmark.text).is_file():
        _refuse(recipe, "benchmark.text", repr(recipe.benchmark.text), "a text file that is here")


def _refuse(recipe: Recipe, key: str, value: object, expected: str) -> None:
    raise RecipeError(f"recipe {recipe.name}: {key} is {value}, expected {expected}", next_step=f"change {key}")
