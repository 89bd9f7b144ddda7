"""The base model of a recipe: a shipped one, one from a PyPI wheel, a folder, or a Hub id.

A Hub id of the catalog is known offline; of any other one the config.json is fetched, once.
"""

from __future__ import annotations

import dataclasses
import difflib
from dataclasses import dataclass
from pathlib import Path

from olivepress.catalog import Family, ModelFacts, facts_from_config, families, family_of_model_type
from olivepress.checkpoint import read_json
from olivepress.core.errors import RecipeError, SetupError
from olivepress.core.hub import CONFIG_FILE
from olivepress.core.layout import MODELS
from olivepress.core.names import slug
from olivepress.models.admission import check_folder, facts_of_config
from olivepress.models.hub import hub_commit, hub_model, is_hub_id, path_hint
from olivepress.models.text_part import TextPart, check_source, has_text_part, text_part_of, text_part_on_hub
from olivepress.models.wheels import WHEEL, WheelModel, wheel_model_of
from olivepress.recipe.schema import Recipe
from olivepress.synthetic.embedded import TINY_PHI, random_models
from olivepress.synthetic.model import MARKER
from olivepress.workflow.recipe_check import check_revision

__all__ = ["EMBEDDED", "ResolvedModel", "checked_model", "family_of", "resolve_model"]

_EMBEDDED = "embedded:"
EMBEDDED = f"{_EMBEDDED}tiny-phi"


@dataclass(frozen=True, kw_only=True)
class ResolvedModel:
    """The base model: ``path`` is what Olive is given (a Hub id, or relative to the project root).

    ``revision`` is the commit of a Hub id that this project uses; None for what follows the Hub's main.
    ``wheel`` is what it is converted from before the first job; until then it is known from the catalog alone.
    ``text_part`` is what it is taken out of before the first job: a model of images and text.
    """

    path: str
    facts: ModelFacts
    family: Family
    is_local: bool
    revision: str | None = None
    random_weights: bool = False
    wheel: WheelModel | None = None
    text_part: TextPart | None = None

    @property
    def origin(self) -> str:
        """What the user knows the model as: its Hub id, its folder, or the whole model that it is a part of."""
        return self.text_part.source if self.text_part is not None else self.path

    @property
    def commit(self) -> str | None:
        """The commit of the Hub that it comes from; None for what follows the Hub's main, and for a local model."""
        return self.text_part.commit if self.text_part is not None else self.revision

    @property
    def on_hub(self) -> bool:
        """Whether its weights come from the Hub."""
        return self.text_part.on_hub if self.text_part is not None else not self.is_local


def checked_model(recipe: Recipe) -> ResolvedModel:
    """``resolve_model``, and the files of a local folder. Raises RecipeError as that and as ``check_folder`` do."""
    model = resolve_model(recipe)
    if model.text_part is not None:
        if not model.text_part.on_hub:
            check_source(Path(model.text_part.source))
    elif model.is_local and not recipe.model.path.startswith((_EMBEDDED, WHEEL)):
        check_folder(Path(model.path))
    return model


def resolve_model(recipe: Recipe) -> ResolvedModel:
    """Facts and family of the recipe's model: a Hub id's own family in the catalog, or by its model_type.

    Raises RecipeError: a directory that is no model, an architecture of no known family, an unknown Hub id, or
    another family in the recipe than the model's; SetupError where a Hub id's config.json cannot be fetched.
    """
    check_revision(recipe, is_local=False)
    model = _model_at(recipe.model.path, recipe.model.revision)
    named = recipe.model.family
    if named is None or named == model.family.family:
        return model
    return dataclasses.replace(model, family=_named_family(named, model))


def family_of(model: str) -> Family | None:
    """The family of a wheel's model, a model directory or a Hub id; None for anything else.

    Raises as ``resolve_model``.
    """
    wheel = wheel_model_of(model)
    if wheel is not None:
        return wheel.family
    if Path(model).is_dir():
        return _folder_model(model).family
    family = _catalogued(model)
    if family is None and is_hub_id(model):
        return _hub_model(model, None).family
    return family


def _catalogued(model_id: str) -> Family | None:
    return next((family for family in families().values() if model_id in family.models), None)


def _model_at(path: str, revision: str | None) -> ResolvedModel:
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
        return _folder_model(path)
    known = _catalogued(path)
    if known is None:
        return _hub_model(path, revision)
    facts, commit = known.models[path], _commit_if_known(path, revision)
    if facts.text_part:
        part = TextPart(source=path, config=facts.config, on_hub=True, revision=commit)
        return ResolvedModel(path=part.folder.as_posix(), facts=facts, family=known, is_local=True, text_part=part)
    return ResolvedModel(path=path, facts=facts, family=known, is_local=False, revision=commit)


def _folder_model(path: str) -> ResolvedModel:
    """A folder of this machine: a text model, or one whose text part can be taken out."""
    directory, part = Path(path), None
    config = directory / CONFIG_FILE
    if config.is_file() and has_text_part(read_json(config)):
        part, facts = text_part_of(directory)
    else:
        facts = facts_from_config(directory)
    return ResolvedModel(
        path=part.folder.as_posix() if part is not None else path,
        facts=facts,
        family=family_of_model_type(facts.config["model_type"], path).for_model(facts.config),
        is_local=True,
        random_weights=(directory / MARKER).is_file(),
        text_part=part,
    )


def _random_model(path: str) -> ResolvedModel:
    """A model with random weights that ships with olivepress: ``embedded:NAME``."""
    name = path.removeprefix(_EMBEDDED)
    shape = random_models().get(name)
    if shape is None:
        listed = ", ".join([EMBEDDED, *(f"{_EMBEDDED}{other}" for other in random_models())])
        raise RecipeError(f"model {path!r}: nothing of that name ships with olivepress; known: {listed}")
    family = families()[shape.family]
    return ResolvedModel(path=f"models/{name}", facts=shape, family=family, is_local=True, random_weights=True)


def _commit_if_known(model_id: str, revision: str | None) -> str | None:
    """Of a model of the catalog, which is rendered offline too: a branch stays one where the Hub cannot be asked."""
    if revision is None:
        return None
    try:
        return hub_commit(model_id, revision)
    except SetupError:
        return revision


def _hub_model(model_id: str, revision: str | None) -> ResolvedModel:
    """A Hub id that the catalog does not have, by its config.json."""
    if not is_hub_id(model_id):
        step = f"{path_hint(model_id)}{_guess(model_id)}olivepress recipes lists the models that come with olivepress"
        raise RecipeError(f"model {model_id!r}: no such directory, and no Hub id such as owner/name", next_step=step)
    try:
        known = hub_model(model_id, revision)
    except RecipeError as error:
        raise RecipeError(error.message, next_step=f"{_guess(model_id)}{error.next_step}") from error
    folder = (MODELS / slug(model_id.partition("/")[2])).as_posix()
    copy = f"hf download {model_id} --local-dir {folder}, then model.path: {folder}"
    path = Path(f"{model_id}@{known.commit[:7]}", CONFIG_FILE)
    if has_text_part(known.config):
        part = text_part_on_hub(model_id, known.commit, path, known.config)
        facts = facts_of_config(path, dict(part.config), copy=copy)
        family = family_of_model_type(facts.config["model_type"], model_id).for_model(facts.config)
        return ResolvedModel(path=part.folder.as_posix(), facts=facts, family=family, is_local=True, text_part=part)
    facts = facts_of_config(path, known.config, copy=copy)
    family = family_of_model_type(facts.config["model_type"], model_id).for_model(facts.config)
    return ResolvedModel(path=model_id, facts=facts, family=family, is_local=False, revision=known.commit)


def _guess(model_id: str) -> str:
    known = [name for family in families().values() for name in family.models]
    near = difflib.get_close_matches(model_id, known, n=1, cutoff=0.8)
    return f"did you mean {near[0]}? " if near else ""


def _named_family(name: str, model: ResolvedModel) -> Family:
    """The family that the recipe names, if a local model of this architecture may belong to it."""
    family, model_type = families().get(name), model.facts.config["model_type"]
    fixed = model.path in model.family.models
    if family is None or fixed or model_type not in family.model_types + family.other_model_types:
        raise RecipeError(
            f"{model.path}: is of family {model.family.family}, the recipe says {name}",
            next_step="correct or remove model.family in the recipe",
        )
    return family
