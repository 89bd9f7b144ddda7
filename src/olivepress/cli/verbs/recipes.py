"""``olivepress recipes``."""

from __future__ import annotations

import json
from typing import Any

from olivepress.cli.options import JsonOption

__all__ = ["recipes"]


def recipes(as_json: JsonOption = False) -> None:
    """List the recipes, families, models and targets that are known here."""
    from olivepress.catalog import families, targets
    from olivepress.models.wheels import wheel_models
    from olivepress.recipe.schema import recipe_files

    known: dict[str, Any] = {
        "recipes": sorted(recipe_files()),
        "families": {family.family: list(family.models) for family in families().values()},
        "model_types": {family.family: list(family.model_types) for family in families().values()},
        "wheel_models": {path: model.license for path, model in wheel_models().items()},
        "targets": {target.target: target.description for target in targets().values()},
    }
    if as_json:
        print(json.dumps(known, indent=2))
        return
    print("recipes: " + ", ".join(known["recipes"]))
    for family, models in known["families"].items():
        print(f"family {family} (model_type {', '.join(known['model_types'][family])}): {', '.join(models)}")
    print("a Hub id or folder of another model is taken by the model_type of its config.json")
    for path, license_name in known["wheel_models"].items():
        print(f"model {path}: out of a PyPI wheel, {license_name}")
    for target, description in known["targets"].items():
        print(f"target {target}: {description}")
