"""``MODEL=`` and ``DATA=`` → the recipe that is meant."""

from __future__ import annotations

import difflib
import json
import re
from pathlib import Path

from olivepress.catalog import Family, families
from olivepress.core.errors import UsageError
from olivepress.core.names import check_name, slug
from olivepress.models.hub import path_hint
from olivepress.recipe.schema import RECIPES, Data, Recipe, load_recipe, recipe_files
from olivepress.workflow.model import family_of

__all__ = ["data_of", "find_recipe", "name_of_model"]

_ANY_FAMILY = "smollm"  # the recipe that a family without one of its own is trained by


def find_recipe(model: str, *, data: str | None = None) -> tuple[Recipe, Path | None]:
    """``MODEL=`` → (recipe, directory of the user's own targets).

    ``model`` is a recipe's path or name, ``<recipe>.<adapter>`` for one adapter of a recipe of several, a family, a Hub
    id, ``pypi:NAME`` or a local model directory. ``data`` replaces the recipe's data and its name says so. Raises
    UsageError listing what is known; for a Hub id that the catalog does not have as ``resolve_model``.
    """
    for given in (model, data or ""):
        if not given.isascii() and any("\ud800" <= sign <= "\udfff" for sign in given):
            raise UsageError(f"{ascii(given)[1:-1]}: the name is no UTF-8", next_step="rename it")
    if data == "":
        raise UsageError("--data is empty, expected a file or directory", next_step="olivepress plan --help")
    recipe, own_targets = _named_recipe(model)
    if data is not None:
        recipe = _with_data(recipe, data)
    return recipe, own_targets if own_targets.is_dir() else None


def name_of_model(model: str) -> str:
    """The name of a recipe for a model that is named by its folder, Hub id or ``pypi:NAME``."""
    return slug(Path(model).resolve().name if Path(model).is_dir() else re.split("[/:]", model)[-1])


def data_of(recipe: Recipe, verb: str) -> Data:
    """The data of a recipe of one adapter. Raises UsageError for a verb that takes no recipe of several."""
    if recipe.data is None:
        raise UsageError(
            f"recipe {recipe.name} packages several adapters",
            next_step=f"olivepress {verb} {recipe.name}.{next(iter(recipe.adapters))}, one of them",
        )
    return recipe.data


def _named_recipe(model: str) -> tuple[Recipe, Path]:
    """The recipe, and where the user's own targets would be."""
    files = recipe_files()
    path = Path(model) if model.endswith((".yaml", ".yml")) else files.get(model)
    if path is not None:
        return load_recipe(path), path.parent / "targets"
    member = _member(model)
    if member is not None:
        return member, RECIPES / "targets"
    path = files.get(_family_of(model).family, files[_ANY_FAMILY])
    name = name_of_model(model)
    if name in files:
        name += "-local"  # its runs and workflows must not land among those of the recipe of that name
    recipe = load_recipe(path)
    return _changed(recipe, name=name, model={"path": model}), path.parent / "targets"


def _with_data(recipe: Recipe, data: str) -> Recipe:
    """The recipe on other data, which its name says."""
    if recipe.data is None:
        raise UsageError(
            f"recipe {recipe.name}: each of its adapters has data of its own", next_step="name them in the recipe"
        )
    stem = Path(data).stem
    if stem in ("train", "test", "data"):
        stem = Path(data).resolve().parent.name
    changed_data = {**recipe.data.model_dump(), "demo": None, "source": data}
    return _changed(recipe, name=f"{recipe.name}-{slug(stem)}", data=changed_data)


def _changed(recipe: Recipe, **changes: object) -> Recipe:
    return Recipe.model_validate_json(json.dumps({**recipe.model_dump(), **changes}))


def _member(model: str) -> Recipe | None:
    """The recipe of one adapter, where a recipe of several is named before the dot."""
    for stem, path in recipe_files().items():
        if model.startswith(f"{stem}."):
            members = load_recipe(path).members()
            name = model.removeprefix(f"{stem}.")
            if name in members:
                return members[name]
    return None


def _family_of(model: str) -> Family:
    family = family_of(model)
    if family is not None:
        return family
    _refuse_recipe_above(model)
    recipes = sorted(recipe_files())
    hub = [name for family in families().values() for name in family.models]
    near = difflib.get_close_matches(model, [*recipes, *hub], n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    raise UsageError(
        f"unknown model {model!r}: {guess}known recipes: {', '.join(recipes)}; "
        f"or give a recipe's path, a Hub id such as {hub[0]}, or a model directory",
        next_step=f"{path_hint(model)}olivepress recipes",
    )


def _refuse_recipe_above(model: str) -> None:
    """Raises UsageError where olivepress was started in a folder below the one with that recipe."""
    try:
        here = Path.cwd()
    except OSError:  # the folder has been removed
        return
    for above, root in enumerate(here.parents, start=1):
        if _has_recipe(root, model):
            way = "/".join([".."] * above)
            raise UsageError(
                f"{model} is a recipe of {way}, expected to be named in that folder", next_step=f"cd {way}"
            )


def _has_recipe(root: Path, name: str) -> bool:
    try:
        check_name(name)
        return (root / RECIPES / f"{name}.yaml").is_file()
    except (ValueError, OSError):  # no plain name, or a folder that may not be read
        return False
