"""What the two transformers take, as data: transformers.yaml of the pinned set, transformers-5.yaml of build-next."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import Field

from olivepress.core.errors import RecipeError
from olivepress.core.yaml_document import Record, read_record

__all__ = [
    "Architecture",
    "architecture_of",
    "common_keys",
    "is_of_transformers_5",
    "tokenizer_classes",
    "transformers_version",
    "with_defaults",
]

_TODAY, _NEXT = "transformers.yaml", "transformers-5.yaml"


class Architecture(Record):
    """One model_type: its class, its keys with their defaults, and keys that the model reads beside them.

    ``layers``: kind of layer → name of a tensor → its shape, in words of ``layout``; ``every`` is of all kinds.
    ``outside``: the tensors besides layers, embedding and head. Where a type has neither, ``layout`` knows it.
    """

    architecture: str
    defaults: dict[str, Any]
    also: tuple[str, ...] = ()
    tokens_without_row: tuple[str, ...] = ()
    layers: dict[str, dict[str, tuple[str | int, ...]]] = Field({})
    outside: dict[str, tuple[str | int, ...]] = Field({})


class _File(Record):
    transformers: str
    common: tuple[str, ...]
    models: dict[str, Architecture]
    tokenizers: tuple[str, ...]


@lru_cache
def _file(name: str) -> _File:
    return read_record(Path(__file__).parent / name, _File)


def is_of_transformers_5(config: Mapping[str, Any]) -> bool:
    """Whether the models of that config.json's model_type are trained and exported with transformers 5."""
    return config.get("model_type") in _file(_NEXT).models


def _file_of(config: Mapping[str, Any] | None) -> _File:
    return _file(_NEXT if config and is_of_transformers_5(config) else _TODAY)


def transformers_version(config: Mapping[str, Any] | None = None) -> str:
    """The version that the facts are of, for messages."""
    return f"transformers {_file_of(config).transformers}"


def common_keys(config: Mapping[str, Any] | None = None) -> frozenset[str]:
    """Keys that every config class takes; transformers 5 still reads those that it has moved."""
    return frozenset(_file(_TODAY).common) | frozenset(_file_of(config).common)


def tokenizer_classes(config: Mapping[str, Any] | None = None) -> frozenset[str]:
    """Values of ``tokenizer_class``, without the Fast behind."""
    return frozenset(_file(_TODAY).tokenizers) | frozenset(_file_of(config).tokenizers)


def architecture_of(config: Mapping[str, Any]) -> Architecture:
    """The facts of a config.json's model_type. Raises RecipeError for one that is unknown."""
    known = {**_file(_TODAY).models, **_file(_NEXT).models}
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in known:
        raise RecipeError(f"model_type {model_type!r} cannot be checked; known: {', '.join(known)}")
    return known[model_type]


def with_defaults(config: Mapping[str, Any]) -> dict[str, Any]:
    """``config`` with what its class puts where a key is left out, the number of key/value heads and head size too."""
    values = {**architecture_of(config).defaults, **config}
    if values.get("num_key_value_heads") is None:
        values["num_key_value_heads"] = values["num_attention_heads"]
    if values.get("head_dim") is None:
        values["head_dim"] = values["hidden_size"] // values["num_attention_heads"]
    return values
