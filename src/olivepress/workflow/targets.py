"""The targets of a recipe: known, possible for its model, and without code of their own unless that is trusted."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from olivepress.catalog import Target, choices, targets
from olivepress.catalog.foreign_code import foreign_code, foreign_modules
from olivepress.core.errors import RecipeError
from olivepress.environments.lookup import environment, for_models_of
from olivepress.models.admission import check_model_for
from olivepress.recipe.schema import Recipe
from olivepress.workflow.model import ResolvedModel

__all__ = ["ChosenTarget", "TargetCode", "choose_targets", "code_in_targets"]


@dataclass(frozen=True, kw_only=True)
class ChosenTarget:
    """A target to build; ``choice`` is the device that the recipe names in place of a target, if it does."""

    target: Target
    choice: str | None = None


@dataclass(frozen=True, kw_only=True)
class TargetCode:
    """A key of a target that makes Olive run code other than its own, and what it names."""

    target: Target
    key: str
    value: str

    def __str__(self) -> str:
        return f"{self.key} names {self.value}"


def choose_targets(
    recipe: Recipe, model: ResolvedModel, *, own_targets: Path | None, trust_targets: bool
) -> tuple[ChosenTarget, ...]:
    """The recipe's targets, and those of the devices that it names.

    Raises RecipeError for a target that is unknown or not for this model, one that runs code and is not trusted, an
    unknown chip, and a budget of anything else.
    """
    known, devices = targets(own_targets), choices(own_targets)
    chosen, needed = list[ChosenTarget](), model.family.build_environment
    for name in recipe.targets:
        if name in devices and name not in known:
            candidates = [known[other] for other in devices[name] if other not in recipe.targets]
            buildable = _buildable(recipe, model, name, candidates)
            chosen += [ChosenTarget(target=for_models_of(target, needed), choice=name) for target in buildable]
            continue
        if name not in known:
            raise RecipeError(f"recipe {recipe.name}: unknown target {name!r}; {_nearest(name, [*known, *devices])}")
        _check_target(recipe, model, known[name])
        chosen.append(ChosenTarget(target=for_models_of(known[name], needed)))
    plain = [each.target for each in chosen]
    if not trust_targets:
        _refuse_code(plain, own_targets)
    _check_soc_model(recipe, plain)
    _check_budget(recipe, plain)
    return tuple(chosen)


def code_in_targets(chosen: Sequence[Target]) -> Iterator[TargetCode]:
    """Everything in these targets that makes Olive run code other than its own."""
    for target in chosen:
        for key, value in (*foreign_modules(target.package_config), *foreign_code(target.model_dump())):
            yield TargetCode(target=target, key=key, value=ascii(value)[1:-1][:100])


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def _check_target(recipe: Recipe, model: ResolvedModel, target: Target) -> None:
    check_model_for(recipe.name, model.origin, model.family, model.facts.config, [target])
    for used in (target.environment, target.build_environment, model.family.build_environment):
        environment(used)  # UsageError now, not after the fine-tune


def _buildable(recipe: Recipe, model: ResolvedModel, device: str, candidates: Sequence[Target]) -> list[Target]:
    """The candidates that the model can be built for. Raises RecipeError when there are none."""
    buildable, refusals = [], []
    for target in candidates:
        try:
            _check_target(recipe, model, target)
            buildable.append(target)
        except RecipeError as error:
            refusals.append(error)
    if not buildable and refusals:
        raise refusals[0]
    if not buildable:
        raise RecipeError(
            f"recipe {recipe.name}: targets names {device}, and each of its targets too",
            next_step=f"remove {device}",
        )
    return buildable


def _refuse_code(chosen: Sequence[Target], own_targets: Path | None) -> None:
    """A folder with a recipe is data, until the person who runs it decides otherwise. Raises RecipeError."""
    for code in code_in_targets(chosen):
        raise RecipeError(
            f"{(own_targets or Path('targets')) / code.target.file}.yaml: runs code of its own: {code}",
            next_step="read that code; --trust-targets runs it",
        )


def _check_soc_model(recipe: Recipe, chosen: Sequence[Target]) -> None:
    """The recipe's chip must be one that its targets compile for: another would compile, and run on the CPU."""
    known = {number: name for target in chosen for number, name in target.soc_models.items()}
    if recipe.soc_model is None or recipe.soc_model in known:
        return
    where = f"recipe {recipe.name}: soc_model {recipe.soc_model!r}"
    if not known:
        raise RecipeError(f"{where}: no target of the recipe is compiled for a chip", next_step="remove soc_model")
    listed = "; ".join(f"{number}: {name}" for number, name in known.items())
    raise RecipeError(f"{where} is no chip that olivepress compiles for; known: {listed}")


def _check_budget(recipe: Recipe, chosen: Sequence[Target]) -> None:
    unknown = set(recipe.budget) - {"all", *recipe.targets, *(target.target for target in chosen)}
    if unknown:
        raise RecipeError(f"recipe {recipe.name}: budget of {min(unknown)!r}, which is not one of its targets")
