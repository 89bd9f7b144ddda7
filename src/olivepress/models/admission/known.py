"""What the pinned transformers takes, as data: see transformers.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from olivepress.core.errors import RecipeError
from olivepress.core.yaml_document import Record, read_record

__all__ = [
    "Architecture",
    "architecture_of",
    "common_keys",
    "tokenizer_classes",
    "transformers_version",
    "with_defaults",
]


class Architecture(Record):
    """One model_type: its class, its keys with their defaults, and keys that the model reads beside them."""

    architecture: str
    defaults: dict[str, Any]
    also: tuple[str, ...] = ()
    tokens_without_row: tuple[str, ...] = ()


class _File(Record):
    transformers: str
    common: tuple[str, ...]
    models: dict[str, Architecture]
    tokenizers: tuple[str, ...]


@lru_cache
def _file() -> _File:
    return read_record(Path(__file__).parent / "transformers.yaml", _File)


def transformers_version() -> str:
    """The version that the facts are of, for messages."""
    return f"transformers {_file().transformers}"


def common_keys() -> frozenset[str]:
    return frozenset(_file().common)


def tokenizer_classes() -> frozenset[str]:
    """Values of ``tokenizer_class``, without the Fast behind."""
    return frozenset(_file().tokenizers)


def architecture_of(config: Mapping[str, Any]) -> Architecture:
    """The facts of a config.json's model_type. Raises RecipeError for one that is unknown."""
    known = _file().models
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
