"""Names of modules in a recipe: each must be one of the model's linear layers."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from olivepress.core.errors import RecipeError
from olivepress.models.admission.layout import EMBEDDING, linear_modules

__all__ = ["check_target_modules"]


def check_target_modules(recipe: str, model: str, config: Mapping[str, Any], names: Sequence[str] | None) -> None:
    """Raises RecipeError naming what the model has no module for. PEFT complains only when no name fits at all.

    As PEFT reads a list: the whole name of a module, or the end of it after a dot.
    """
    if names is None:
        return
    where = f"recipe {recipe}: finetune.target_modules"
    if not names:
        raise RecipeError(f"{where} is empty", next_step="remove the key: all projections of the family are trained")
    modules = linear_modules(config)
    short = tuple(dict.fromkeys(module.rpartition(".")[2] for module in modules))
    unknown = [name for name in names if not any(f".{module}".endswith(f".{name}") for module in modules if name)]
    if not unknown:
        return
    if unknown[0] == EMBEDDING.split(".")[1]:
        raise RecipeError(f"{where}: {unknown[0]} is an embedding, no linear layer", next_step=f"take {_listed(short)}")
    near = difflib.get_close_matches(unknown[0], short, n=1, cutoff=0.75)
    guess = f"did you mean {near[0]}? " if near else ""
    raise RecipeError(
        f"{where}: {model} has no linear layer {', '.join(unknown)}; it has {_listed(short)}",
        next_step=f"{guess}correct the names, or remove the key: all projections of the family are trained",
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
