"""The base model of a recipe, offline: a shipped one, one from a PyPI wheel, a folder, or a Hub id of the catalog."""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass
from pathlib import Path

from olivepress.catalog import Family, ModelFacts, facts_from_config, families, family_of_model_type
from olivepress.core.errors import RecipeError
from olivepress.models.admission import check_folder
from olivepress.models.wheels import WHEEL, WheelModel, wheel_model_of
from olivepress.recipe.schema import Recipe
from olivepress.synthetic.embedded import TINY_PHI, random_models
from olivepress.synthetic.model import MARKER

__all__ = ["EMBEDDED", "ResolvedModel", "checked_model", "family_of", "resolve_model"]

_EMBEDDED = "embedded:"
EMBEDDED = f"{_EMBEDDED}tiny-phi"


@dataclass(frozen=True, kw_only=True)
class ResolvedModel:
    """The base model: ``path`` is what Olive is given (a Hub id, or relative to the project root).

    ``wheel`` is what it is converted from before the first job; until then it is known from the catalog alone.
    """

    path: str
    facts: ModelFacts
    family: Family
    is_local: bool
    random_weights: bool = False
    wheel: WheelModel | None = None


def checked_model(recipe: Recipe) -> ResolvedModel:
    """``resolve_model``, and the files of a local folder. Raises RecipeError as that and as ``check_folder`` do."""
    model = resolve_model(recipe)
    if model.is_local and not recipe.model.path.startswith((_EMBEDDED, WHEEL)):
        check_folder(Path(model.path))
    return model


def resolve_model(recipe: Recipe) -> ResolvedModel:
    """Facts and family of the recipe's model, offline: a Hub id's own family, or by a directory's model_type.

    Raises RecipeError: a directory that is no model, an architecture of no known family, an unknown Hub id, or
    another family in the recipe than the model's.
    """
    model = _model_at(recipe.model.path)
    named = recipe.model.family
    if named is None or named == model.family.family:
        return model
    return dataclasses.replace(model, family=_named_family(named, model))


def family_of(model: str) -> Family | None:
    """The family of a wheel's model, a model directory or a Hub id of the catalog; None for anything else."""
    wheel = wheel_model_of(model)
    if wheel is not None:
        return wheel.family
    if Path(model).is_dir():
        return family_of_model_type(facts_from_config(Path(model)).config["model_type"])
    return next((family for family in families().values() if model in family.models), None)


def _model_at(path: str) -> ResolvedModel:
    if path == EMBEDDED:
        facts = facts_from_config(TINY_PHI)
        return ResolvedModel(path="models/tiny-phi", facts=facts, family=families()["phi"], is_local=True)
    if path.startswith(_EMBEDDED):
        return _random_model(path)
    wheel = wheel_model_of(path)
    if wheel is not None:
        folder = wheel.folder.as_posix()
        return ResolvedModel(path=folder, facts=wheel.facts, family=wheel.family, is_local=True, wheel=wheel)
    if Path(path).is_dir():
        facts = facts_from_config(Path(path))
        family = family_of_model_type(facts.config["model_type"])
        random_weights = (Path(path) / MARKER).is_file()
        return ResolvedModel(path=path, facts=facts, family=family, is_local=True, random_weights=random_weights)
    return _hub_model(path)


def _random_model(path: str) -> ResolvedModel:
    """A model with random weights that ships with olivepress: ``embedded:NAME``."""
    name = path.removeprefix(_EMBEDDED)
    shape = random_models().get(name)
    if shape is None:
        listed = ", ".join([EMBEDDED, *(f"{_EMBEDDED}{other}" for other in random_models())])
        raise RecipeError(f"model {path!r}: nothing of that name ships with olivepress; known: {listed}")
    family = families()[shape.family]
    return ResolvedModel(path=f"models/{name}", facts=shape, family=family, is_local=True, random_weights=True)


def _hub_model(path: str) -> ResolvedModel:
    for family in families().values():
        if path in family.models:
            return ResolvedModel(path=path, facts=family.models[path], family=family, is_local=False)
    known = [name for family in families().values() for name in family.models]
    near = difflib.get_close_matches(path, known, n=1)
    guess = f"did you mean {near[0]}?" if near else f"known Hub ids: {', '.join(known)}"
    raise RecipeError(f"model {path!r}: no such directory and not in the catalog; {guess}")


def _named_family(name: str, model: ResolvedModel) -> Family:
    """The family that the recipe names, if a local model of this architecture may belong to it."""
    family, model_type = families().get(name), model.facts.config["model_type"]
    if family is None or not model.is_local or model_type not in family.model_types + family.other_model_types:
        raise RecipeError(
            f"{model.path}: is of family {model.family.family}, the recipe says {name}",
            next_step="correct or remove model.family in the recipe",
        )
    return family
