"""Families and targets: facts in YAML, one file each, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import Field

from olivepress.catalog.evidence import refusal_of_type, rope_kind
from olivepress.catalog.target import BUILD, Target, choices, grid, targets
from olivepress.checkpoint import read_json, stored_tensors
from olivepress.core.errors import RecipeError
from olivepress.core.yaml_document import Record, read_record

__all__ = [
    "BUILD",
    "Family",
    "ModelFacts",
    "Target",
    "check_model_config",
    "choices",
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
    text_part: bool = Field(
        False, description="the model is one of images and text, and these are the facts of its text part"
    )

    @property
    def embedding_parameters(self) -> int:
        """Parameters of one embedding matrix (vocabulary × hidden size)."""
        return int(self.config["vocab_size"]) * int(self.config["hidden_size"])


class Family(Record):
    """Models that are fine-tuned and exported alike."""

    family: str
    model_types: tuple[str, ...] = Field(
        description="by which a folder or Hub id is recognized; each belongs to one family"
    )
    other_model_types: tuple[str, ...] = Field(
        (), description="of another family, but of this one if the recipe says so"
    )
    target_modules: tuple[str, ...] = Field(min_length=1)
    default_model: str | None = Field(None, description="one of ``models``; none where no config.json is known here")
    build_environment: str = Field(
        BUILD, description="the environment that all jobs of its recipes run in, where the pinned set does not know it"
    )
    build_environments: dict[str, str] = Field(
        {}, description="kind of rotary embedding → the environment, for models of it that need another"
    )
    repairs: tuple[str, ...] = Field(
        (),
        description="changes before onnxruntime-genai's builder reads a model, by name; only where build-next builds",
    )
    models: dict[str, ModelFacts] = Field({})
    unsupported: dict[str, str] = Field(
        {},
        description="pattern of a target (qnn-*), or architecture or rope type and target (smollm3/*) → the reason",
    )

    def for_model(self, config: Mapping[str, Any]) -> Family:
        """The family as a model with that config.json needs it: its build environment may be another."""
        needed = self.build_environments.get(rope_kind(config))
        return self if needed is None else self.model_copy(update={"build_environment": needed})

    def refusal(self, config: Mapping[str, Any], target: str) -> str | None:
        """The reason that a model with that config.json cannot be built for the target; None if it can."""
        scaling = config.get("rope_scaling") or {}
        traits = (config["model_type"], scaling.get("rope_type", scaling.get("type")))
        names = (target, *(f"{trait}/{target}" for trait in traits))
        for pattern, reason in self.unsupported.items():
            if any(fnmatchcase(name, pattern) for name in names):
                return reason
        return None


def families() -> dict[str, Family]:
    """All families by name: each is a file of ``catalog/families``."""
    return _read_families(_HERE / "families")


@cache
def _read_families(directory: Path) -> dict[str, Family]:
    records = [read_record(path, Family) for path in sorted(directory.glob("*.yaml"))]
    return {family.family: family for family in records}


def family_of_model_type(model_type: str, model: object) -> Family:
    """The family a transformers ``model_type`` belongs to. Raises RecipeError naming ``model`` and the known ones."""
    for family in families().values():
        if model_type in family.model_types:
            return family
    seen = refusal_of_type(model_type)
    if seen is not None:
        raise RecipeError(
            f"{model}: model_type {model_type!r}: {seen}",
            next_step="give a model of a type that docs/families.md lists",
        )
    known = ", ".join(f"{f.family} ({', '.join(f.model_types)})" for f in families().values() if f.model_types)
    raise RecipeError(
        f"{model}: model_type {model_type!r} belongs to no known family; known: {known}",
        next_step="olivepress recipes, and give a model of a known type",
    )


def facts_from_config(directory: Path) -> ModelFacts:
    """Facts of a local model, its parameters counted from the safetensors headers.

    Raises RecipeError when the directory has no readable config.json or no safetensors weights.
    """
    config_path = directory / "config.json"
    if not config_path.exists():
        raise RecipeError(f"{directory}: no config.json in it, {_instead(directory)}")
    config = read_json(config_path)
    check_model_config(config_path, config)
    return ModelFacts(parameters=count_parameters(directory), config=config)


def check_model_config(config_path: Path, config: Mapping[str, Any]) -> None:
    """Raises RecipeError for a config.json that is not a text model's."""
    if not isinstance(config.get("model_type"), str):
        raise RecipeError(f"{config_path}: has no 'model_type', expected a Hugging Face model config")
    if isinstance(config.get("text_config"), dict):
        raise RecipeError(
            f"{config_path}: key 'text_config': a model of images or sound, expected a text model",
            next_step="give the text model that it was built from, or save its language model on its own",
        )
    for key in ("vocab_size", "hidden_size"):
        value = config.get(key)
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise RecipeError(f"{config_path}: {key!r} is {value!r}, expected a number")


def _instead(directory: Path) -> str:
    """What a folder without config.json seems to be, and what to give instead."""
    if (directory / "adapter_config.json").exists():
        return "but adapter_config.json: an adapter; give the folder of the model that it was trained on"
    for pattern, kind in (("*.gguf", "a GGUF file"), ("*.onnx", "an ONNX model"), ("*.xml", "an OpenVINO model")):
        if any(directory.glob(pattern)):
            return f"but {kind}: expected the Hugging Face model (config.json, safetensors) that it was converted from"
    return "expected a Hugging Face model directory"


def count_parameters(directory: Path) -> int:
    """Parameters of the weights that transformers loads from a model directory, each counted once, from the headers.

    Raises RecipeError when there are none (pickled weights are not loaded), or a file that is not whole.
    """
    return sum(tensor.numel for tensor in stored_tensors(directory).values())
