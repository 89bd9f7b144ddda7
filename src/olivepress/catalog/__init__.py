"""Families and targets: facts in YAML, one file each, read strictly."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field

from olivepress.bounded import CONFIG, HEADER, open_regular, parse_json, read_json
from olivepress.catalog.target import Target, grid, targets
from olivepress.errors import RecipeError
from olivepress.yaml_document import Record, read_record

__all__ = [
    "Family",
    "ModelFacts",
    "Target",
    "count_parameters",
    "facts_from_config",
    "families",
    "family_of_model_type",
    "grid",
    "targets",
]

_HERE = Path(__file__).parent


class ModelFacts(Record):
    """What is known of a model without downloading it."""

    parameters: int = Field(gt=0)
    config: dict[str, Any]

    @property
    def embedding_parameters(self) -> int:
        """Parameters of one embedding matrix (vocabulary × hidden size)."""
        return int(self.config["vocab_size"]) * int(self.config["hidden_size"])


class Family(Record):
    """Models that are fine-tuned and exported alike."""

    family: str
    model_types: tuple[str, ...] = Field(
        min_length=1, description="what a local directory is known by; no family's else"
    )
    other_model_types: tuple[str, ...] = Field(
        (), description="of another family, but of this one if the recipe says so"
    )
    target_modules: tuple[str, ...] = Field(min_length=1)
    default_model: str
    models: dict[str, ModelFacts]
    unsupported: dict[str, str] = Field(
        {},
        description="pattern of a target (qnn-*), or architecture or rope type and target (smollm3/*) → why not",
    )

    def why_not(self, config: Mapping[str, Any], target: str) -> str | None:
        """Why a model with that config.json cannot be made for the target of that name; None if it can."""
        scaling = config.get("rope_scaling") or {}
        traits = (config["model_type"], scaling.get("rope_type", scaling.get("type")))
        names = (target, *(f"{trait}/{target}" for trait in traits))
        found = (why for pattern, why in self.unsupported.items() if any(fnmatchcase(name, pattern) for name in names))
        return next(found, None)


@lru_cache
def families() -> dict[str, Family]:
    """All families by name."""
    found = [read_record(path, Family) for path in sorted((_HERE / "families").glob("*.yaml"))]
    return {family.family: family for family in found}


def family_of_model_type(model_type: str) -> Family:
    """The family a transformers ``model_type`` belongs to. Raises RecipeError naming the known ones."""
    for family in families().values():
        if model_type in family.model_types:
            return family
    known = ", ".join(f"{f.family} ({', '.join(f.model_types)})" for f in families().values())
    raise RecipeError(f"model_type {model_type!r} belongs to no known family; known: {known}")


def facts_from_config(directory: Path) -> ModelFacts:
    """Facts of a local model, its parameters counted from the safetensors headers.

    Raises RecipeError when the directory has no readable config.json or no safetensors weights.
    """
    config_path = directory / "config.json"
    try:
        config = read_json(config_path, CONFIG, RecipeError)
    except FileNotFoundError:
        raise RecipeError(f"{directory}: no config.json in it, expected a Hugging Face model directory") from None
    except (OSError, ValueError) as error:
        raise RecipeError(f"{config_path}: cannot be read as JSON ({error})") from None
    if not isinstance(config, dict) or "model_type" not in config:
        raise RecipeError(f"{config_path}: has no 'model_type', expected a Hugging Face model config")
    for key in ("vocab_size", "hidden_size"):
        if not isinstance(config.get(key), int):
            raise RecipeError(f"{config_path}: {key!r} is {config.get(key)!r}, expected a number")
    return ModelFacts(parameters=count_parameters(directory), config=config)


def count_parameters(directory: Path) -> int:
    """Parameters of all safetensors files of a model directory, read from their headers only.

    Raises RecipeError when there are none (pickled weights are not loaded), or one that is not whole.
    """
    weights = sorted(directory.glob("*.safetensors"))
    if not weights:
        others = [path.name for path in directory.glob("*.bin")] + [path.name for path in directory.glob("*.pt")]
        hint = f" (found {others[0]}: only safetensors is read)" if others else ""
        raise RecipeError(f"{directory}: no *.safetensors weights{hint}", next_step="download or save the model again")
    return sum(_parameters_of_file(path) for path in weights)


def _parameters_of_file(path: Path) -> int:
    """Elements of all tensors, from the header alone (8-byte length, then JSON)."""
    try:
        with open_regular(path, RecipeError) as file:
            size = int.from_bytes(file.read(8), "little")
            if not 0 < size <= HEADER:
                raise ValueError("header length out of range")
            header = parse_json(file.read(size))
        tensors = [entry for name, entry in header.items() if name != "__metadata__"]
        end = max((entry["data_offsets"][1] for entry in tensors), default=0)
        if path.stat().st_size != 8 + size + end:
            raise ValueError("the file is shorter or longer than its header says")
        return sum(map(_elements, tensors))
    except (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise RecipeError(f"{path}: not a whole safetensors file ({error})", next_step="fetch the file again") from None


def _elements(entry: Mapping[str, Any]) -> int:
    """Elements of one tensor. ValueError when its shape asks for more than lies in the file."""
    begin, end = entry["data_offsets"]
    count = int(math.prod(entry["shape"]))
    if min(entry["shape"], default=0) < 0 or not 0 <= begin <= end or count > 8 * (end - begin):
        raise ValueError("a tensor's shape does not fit its bytes")
    return count
