"""The file of a loss of the user's own, before anything runs: it is there, has the function, and may run."""

from __future__ import annotations

import ast
import hashlib
from pathlib import Path

from olivepress.core.bounded import RECIPE, read_bytes
from olivepress.core.errors import RecipeError
from olivepress.recipe.finetune import OwnLoss
from olivepress.recipe.schema import Recipe

__all__ = ["check_own_loss", "loss_sha256"]


def loss_sha256(loss: OwnLoss) -> str:
    """Of its file: what a rendered workflow runs is what was looked at. RecipeError when it cannot be read."""
    return hashlib.sha256(_content(loss)).hexdigest()


def check_own_loss(recipe: Recipe, *, trusted: bool) -> None:
    """Raise RecipeError for a file that is not there, has no such function, or runs without having been allowed to."""
    loss = recipe.finetune.loss
    if loss is None:
        return
    where = f"recipe {recipe.name}: finetune.loss"
    file, _, name = loss.module.partition(":")
    try:
        tree = ast.parse(_content(loss))
    except (SyntaxError, ValueError) as error:
        raise RecipeError(f"{where}: {file} is no Python file ({error})", next_step="correct the file") from error
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    if name not in functions:
        has = ", ".join(functions) or "none"
        raise RecipeError(f"{where}: {file} has no function {name}, it has: {has}", next_step="correct module")
    if not trusted:
        raise RecipeError(
            f"{where}: runs code of its own: {loss.module}", next_step="read that code; --trust-targets runs it"
        )


def _content(loss: OwnLoss) -> bytes:
    file = Path(loss.module.partition(":")[0])
    try:
        if not file.resolve(strict=True).is_relative_to(Path.cwd().resolve()):
            raise RecipeError(
                f"finetune.loss: {file} lies outside of the project", next_step="copy it into the project"
            )
        return read_bytes(file, RECIPE, RecipeError)
    except OSError as error:
        raise RecipeError(
            f"finetune.loss: {file} cannot be read ({error.strerror})", next_step="name a file below the project's root"
        ) from error
