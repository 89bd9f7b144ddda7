"""Where the licences of base model, adapter and data are stated: in the recipe, else in their own files."""

from __future__ import annotations

import re
from pathlib import Path

from olivepress.adapters.start_adapter import start_adapter
from olivepress.core.artifact import Manifest, read_manifest
from olivepress.core.bounded import CONFIG, read_text
from olivepress.core.errors import DataError, OlivepressError
from olivepress.core.hub import local_directory
from olivepress.core.layout import dataset_dir
from olivepress.data.store.reader import read_facts
from olivepress.models.wheels.records import wheel_model_at, wheel_models
from olivepress.recipe.schema import Recipe
from olivepress.registry.case import Licence

__all__ = ["base_licence", "data_licence", "licences_of"]

_OURS = "MIT"  # of what ships with olivepress
_EMBEDDED = "embedded:"
_LICENCE = re.compile(r"^licen[cs]e:[ \t]*['\"]?([A-Za-z0-9][A-Za-z0-9.+_-]{0,63})['\"]?[ \t]*$", re.MULTILINE)
_NAMED = re.compile(r"^license_name:[ \t]*['\"]?([A-Za-z0-9][A-Za-z0-9.+_-]{0,63})['\"]?[ \t]*$", re.MULTILINE)


def licences_of(recipe: Recipe, manifest: Manifest) -> tuple[Licence, ...]:
    """Of the base model, of an adapter that was trained further, and of the data. Nothing is downloaded."""
    start = recipe.finetune.start_from
    adapter = () if start is None else (_adapter_licence(recipe, start),)
    return base_licence(recipe, manifest), *adapter, data_licence(recipe, manifest)


def _adapter_licence(recipe: Recipe, start: str) -> Licence:
    """Of the adapter itself; of one that this project made, of the data that it was trained on."""
    if "adapter" in recipe.promote.licences:
        return Licence(part="adapter", name=recipe.promote.licences["adapter"], source="the recipe")
    try:
        folder = start_adapter(start).folder
        name = _of_card(folder / "README.md")
        if name is not None:
            return Licence(part="adapter", name=name, source="README.md")
        data = data_licence(None, read_manifest(folder.parent))
    except OlivepressError:
        return Licence(part="adapter", name=None, source="")
    return Licence(part="adapter", name=data.name, source=data.source)


def base_licence(recipe: Recipe | None, manifest: Manifest) -> Licence:
    """Of the base model; without its recipe, of the model that the manifest names."""
    if recipe is not None and "base" in recipe.promote.licences:
        return Licence(part="base", name=recipe.promote.licences["base"], source="the recipe")
    path = manifest.base_model if recipe is None else recipe.model.path  # that has a shipped model's own name
    wheel = wheel_models().get(path) or wheel_model_at(path)
    if wheel is not None:
        return Licence(part="base", name=wheel.license, source="the catalog of models in wheels")
    if path.startswith(_EMBEDDED):
        return Licence(part="base", name=_OURS, source="it ships with olivepress")
    try:
        card = local_directory(path, manifest.base_model_revision) / "README.md"
    except (OlivepressError, ImportError, OSError, ValueError):
        return Licence(part="base", name=None, source="")
    return Licence(part="base", name=_of_card(card), source=card.name)


def _of_card(card: Path) -> str | None:
    """The licence in the metadata block of a model card: ``other`` has its name beside it."""
    try:
        text = read_text(card, CONFIG, DataError, errors="replace")
    except (OSError, OlivepressError):
        return None
    if not text.startswith("---"):
        return None
    block = text[3:].partition("\n---")[0]
    licence, named = _LICENCE.search(block), _NAMED.search(block)
    if licence and licence[1] == "other" and named:
        return named[1]
    return licence[1] if licence else None


def data_licence(recipe: Recipe | None, manifest: Manifest) -> Licence:
    """Of the data; without its recipe, as the dataset states it."""
    if recipe is not None and "data" in recipe.promote.licences:
        return Licence(part="data", name=recipe.promote.licences["data"], source="the recipe")
    if recipe is not None and recipe.data is not None and recipe.data.demo is not None:
        return Licence(part="data", name=_OURS, source="it ships with olivepress")
    try:
        source = read_facts(dataset_dir(manifest.dataset, manifest.dataset_version)).get("source")
    except DataError:
        source = None
    name = source.get("licence") if isinstance(source, dict) else None
    known = name.strip() if isinstance(name, str) and name.strip() else None
    return Licence(part="data", name=known, source="dataset.json")
