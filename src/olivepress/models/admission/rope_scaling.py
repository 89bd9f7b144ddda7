"""rope_scaling as the pinned transformers reads it: a key that is missing or of another length fails, or is ignored."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from olivepress.core.errors import RecipeError
from olivepress.models.admission.known import with_defaults

__all__ = ["check_rope_scaling"]

# type → keys that it cannot do without.
_NEEDS = {
    "default": (),
    "linear": ("factor",),
    "dynamic": ("factor",),
    "yarn": ("factor",),
    "llama3": ("factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"),
    "longrope": ("short_factor", "long_factor"),
}
_OF_PHI = {"type", "short_factor", "long_factor"}


def check_rope_scaling(path: Path, config: Mapping[str, Any]) -> None:
    """Raises RecipeError for a type that is unknown, and for keys that are missing, no numbers or of a wrong length."""
    scaling = config.get("rope_scaling")
    if scaling is None:
        return
    where = f"{path}: key 'rope_scaling'"
    if not isinstance(scaling, Mapping):
        raise RecipeError(f"{where} is {scaling!r}, expected null, or a type and its numbers")
    rope_type = scaling.get("rope_type", scaling.get("type"))
    if config["model_type"] == "phi3":
        _check_phi(where, scaling)
        rope_type = "longrope"
    elif scaling.get("type", rope_type) != rope_type:
        raise RecipeError(f"{where}: 'type' is {scaling['type']!r} and 'rope_type' {rope_type!r}, expected the same")
    if not isinstance(rope_type, str) or rope_type not in _NEEDS:
        raise RecipeError(f"{where}: type {rope_type!r} is unknown, expected one of {', '.join(_NEEDS)}")
    for key in _NEEDS[rope_type]:
        _check_number(f"{where}.{key}", scaling.get(key), _lengths(config) if key.endswith("_factor") else None)
    if "factor" in _NEEDS[rope_type] and scaling["factor"] < 1:
        raise RecipeError(f"{where}.factor is {scaling['factor']!r}, expected 1 or more")
    if rope_type == "llama3" and scaling["high_freq_factor"] <= scaling["low_freq_factor"]:
        raise RecipeError(
            f"{where}.high_freq_factor is {scaling['high_freq_factor']!r}, expected more than low_freq_factor "
            f"({scaling['low_freq_factor']!r})"
        )


def _check_phi(where: str, scaling: Mapping[str, Any]) -> None:
    """Phi3Config takes these three and no others."""
    if set(scaling) != _OF_PHI:
        raise RecipeError(
            f"{where} has {', '.join(sorted(scaling))}, expected {', '.join(sorted(_OF_PHI))}",
            next_step='write "type": "longrope" and the two lists of factors, nothing else',
        )
    if str(scaling["type"]) not in ("longrope", "su", "yarn"):
        raise RecipeError(f"{where}: type {scaling['type']!r}, expected 'longrope'")


def _lengths(config: Mapping[str, Any]) -> int:
    """Factors that longrope has: one for each pair of rotated numbers of a head."""
    values = with_defaults(config)
    size = values["hidden_size"] // values["num_attention_heads"]
    return int(size * values.get("partial_rotary_factor", 1)) // 2


def _check_number(where: str, value: Any, length: int | None) -> None:
    if where.endswith(("short_factor", "long_factor")):
        if not (isinstance(value, list) and all(_is_positive(number) for number in value)):
            raise RecipeError(f"{where} is not a list of numbers above 0, expected {length}")
        if len(value) != length:
            raise RecipeError(
                f"{where} has {len(value)} numbers, expected {length} (head size × partial_rotary_factor / 2)"
            )
    elif not _is_positive(value):
        raise RecipeError(f"{where} is {value!r}, expected a number above 0")


def _is_positive(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and value > 0
