"""``olivepress recipes``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from olivepress.cli.options import JsonOption

__all__ = ["recipes"]


def recipes(as_json: JsonOption = False) -> None:
    """List the recipes, families, models and targets known here.

    A recipe in ./recipes is used instead of one of the same name that ships with olivepress.
    """
    from olivepress.catalog import families, targets
    from olivepress.models.wheels import wheel_models
    from olivepress.recipe.schema import recipe_files

    known: dict[str, Any] = {
        "recipes": {name: path.as_posix() for name, path in sorted(recipe_files().items())},
        "families": {family.family: list(family.models) for family in families().values()},
        "model_types": {family.family: list(family.model_types) for family in families().values()},
        "wheel_models": {path: model.license for path, model in wheel_models().items()},
        "targets": {target.target: target.description for target in targets().values()},
    }
    if as_json:
        print(json.dumps(known, indent=2))
        return
    for name, file in known["recipes"].items():
        print(f"recipe {name}: {_origin(name, Path(file))}")
    for family, models in known["families"].items():
        print(f"family {family} (model_type {', '.join(known['model_types'][family])}): {', '.join(models)}")
    print("a Hub id or folder of another model is taken by the model_type of its config.json")
    for path, license_name in known["wheel_models"].items():
        print(f"model {path}: out of a PyPI wheel, {license_name}")
    for target, description in known["targets"].items():
        print(f"target {target}: {description}")


def _origin(name: str, file: Path) -> str:
    """In a clone the recipes that ship are in ./recipes too."""
    from olivepress.recipe.schema import RECIPES, shipped_recipe_files

    if file.parent != RECIPES:
        return "ships with olivepress"
    shipped = shipped_recipe_files().get(name)
    if shipped is None or shipped.samefile(file):
        return file.as_posix()
    return f"{file.as_posix()}, instead of the one that ships with olivepress"
