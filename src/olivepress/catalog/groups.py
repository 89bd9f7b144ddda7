"""Sizes of groups of weights that share a scale: a target's own, or smaller where the model's matrices need it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from olivepress.core.errors import RecipeError

__all__ = ["group_size", "with_group_sizes"]

_AT_MOST = re.compile(r"at-most-([1-9][0-9]*)")
_LEAST = 16  # of Olive's quantizers and of MatMulNBits


def group_size(config: Mapping[str, Any], most: int) -> int:
    """The largest power of two up to ``most`` that divides the inputs of every projection of a model.

    ``config`` is the content of its config.json. Olive's quantizers do not pad. Raises RecipeError when there is none
    from 16 on.
    """
    heads = int(config["num_attention_heads"])
    head = int(config.get("head_dim") or int(config["hidden_size"]) // heads)
    widths = (int(config["hidden_size"]), int(config["intermediate_size"]), heads * head)
    size = 1 << most.bit_length() - 1
    while any(width % size for width in widths):
        size //= 2
    if size < _LEAST:
        shown = ", ".join(map(str, widths))
        raise RecipeError(
            f"no group of {_LEAST} weights or more divides the rows of this model ({shown} wide)",
            next_step="take targets that quantize nothing: cpu-fp32",
        )
    return size


def with_group_sizes(passes: Mapping[str, Mapping[str, Any]], config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A target's passes with ``at-most-N`` replaced by that model's ``group_size``. Raises as that does."""

    def resolved(value: Any) -> Any:
        at_most = _AT_MOST.fullmatch(value) if isinstance(value, str) else None
        return group_size(config, int(at_most[1])) if at_most else value

    return {name: {key: resolved(value) for key, value in settings.items()} for name, settings in passes.items()}
