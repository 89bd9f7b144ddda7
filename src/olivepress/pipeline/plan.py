"""``MODEL=`` and ``DATA=`` → Plan; nothing is written."""

from __future__ import annotations

from olivepress.data.build import build_dataset
from olivepress.workflow.find_recipe import find_recipe
from olivepress.workflow.plan import Plan, make_package_plan, make_plan

__all__ = ["load_plan"]


def load_plan(model: str, *, data: str | None = None, trust_targets: bool = False) -> Plan:
    """The plan of the recipe that ``model`` names, on its own data or ``data``.

    ``trust_targets`` accepts targets beside the recipe that make Olive run code of their own; RecipeError without it.
    """
    recipe, own_targets = find_recipe(model, data=data)
    if recipe.data is not None:
        dataset = build_dataset(recipe.data)
        return make_plan(recipe, dataset, own_targets=own_targets, trust_targets=trust_targets)
    datasets = {name: build_dataset(adapter.data) for name, adapter in recipe.adapters.items()}
    return make_package_plan(recipe, datasets, own_targets=own_targets, trust_targets=trust_targets)
