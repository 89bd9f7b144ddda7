"""The winner of a search as a recipe of its own, with the workflows that plain Olive runs."""

from __future__ import annotations

import json
import shutil
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from olivepress.core.bounded import RECIPE, read_text
from olivepress.core.errors import RecipeError, UsageError
from olivepress.core.files import write_text
from olivepress.core.layout import CONFIGS
from olivepress.core.names import check_name
from olivepress.pipeline.render import render
from olivepress.pipeline.search.trial import Searched, for_target
from olivepress.recipe.schema import RECIPES, Recipe
from olivepress.study.space import TARGET, Params, apply
from olivepress.workflow.plan import make_plan

__all__ = ["Written", "check_can_write", "recipe_text", "set_aside", "winner_path", "write_winner"]

_MARK = "# Written by olivepress search finetune"
_WIDTH = 118


@dataclass(frozen=True, kw_only=True)
class Written:
    """The recipe's file, and those of its workflows in the order in which they run."""

    recipe: Path
    workflows: tuple[Path, ...]


def winner_path(searched: Searched) -> Path:
    """``recipes/NAME-best.yaml``, of a joint search ``recipes/NAME-joint.yaml``."""
    suffix = "best" if searched.search.joint is None else "joint"
    return RECIPES / f"{searched.recipe.name}-{suffix}.yaml"


def check_can_write(searched: Searched) -> None:
    """Raises UsageError before hours are spent: a name that is too long, or a file that no search wrote."""
    path = winner_path(searched)
    try:
        check_name(path.stem)
        check_name(f"{searched.recipe.name}.s999-fresh-99999")
    except ValueError as error:
        raise UsageError(
            f"recipe {searched.recipe.name}: expected {error}", next_step="give it a shorter name"
        ) from None
    if path.exists() and not _is_ours(path):
        raise UsageError(
            f"{path}: exists and was not written by a search, expected a free name for the winner",
            next_step="rename it",
        )


def _is_ours(path: Path) -> bool:
    try:
        return read_text(path, RECIPE, RecipeError).startswith(_MARK)
    except (OSError, ValueError):
        return False


def set_aside(searched: Searched) -> Path | None:
    """Rename the winner of an earlier study, which must not pass for that of this one; its new path, None where there
    is none. Its workflows are removed: they can be rendered again."""
    path = winner_path(searched)
    if not path.exists():
        return None
    check_can_write(searched)
    shutil.rmtree(CONFIGS / path.stem, ignore_errors=True)
    return path.replace(path.with_name(f"{path.name}.old"))


def write_winner(searched: Searched, params: Params, comments: list[str]) -> Written:
    """Write recipe and workflows; ``comments`` stand at its top. Raises as ``check_can_write`` and ``render``."""
    check_can_write(searched)
    path = winner_path(searched)
    text = recipe_text(searched.recipe, params, path.stem, comments)
    recipe = Recipe.model_validate_json(json.dumps(yaml.safe_load(text)))  # what is written can be read
    write_text(path, text)
    plan = make_plan(recipe, searched.dataset, own_targets=searched.own_targets, trust_targets=searched.trust_targets)
    rendered = render([plan])[0]
    return Written(recipe=path, workflows=tuple(workflow.path for workflow in rendered.workflows))


def recipe_text(recipe: Recipe, params: Params, name: str, comments: list[str]) -> str:
    """The keys that the recipe sets, with the winner's settings in place of its own."""
    settings = apply(recipe.finetune, params)
    whole = recipe.model_dump(mode="json", exclude_unset=True, exclude={"search"})
    before = recipe.finetune.model_dump(mode="json", exclude_unset=True)
    chosen = settings.model_dump(mode="json")
    kept = {key: chosen[key] for key in before if not _is_default(settings, key)}
    whole |= {"name": name, "finetune": kept | {key: chosen[key] for key in params if key != TARGET}}
    if TARGET in params:
        whole |= for_target(recipe, str(params[TARGET]))
    ordered = {key: whole[key] for key in Recipe.model_fields if key in whole}
    body = yaml.safe_dump(ordered, sort_keys=False, allow_unicode=True, width=120)
    lines = [line for text in comments for line in textwrap.wrap(text, _WIDTH)]
    return "".join(f"{line}\n" for line in [_MARK + ".", *(f"# {line}" for line in lines)]) + body


def _is_default(settings: Any, key: str) -> bool:
    """A key that the winner's method ignores has gone back to its default, and is left out."""
    return bool(getattr(settings, key) == type(settings).model_fields[key].default)
