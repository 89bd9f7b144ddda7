"""Recipe × catalog → Plan of Jobs. Pure but for looking at a local model's files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from olivepress.adapters.projections import has_inputs
from olivepress.adapters.start_adapter import check_start
from olivepress.catalog import Target
from olivepress.core.errors import RecipeError, UsageError
from olivepress.core.layout import job_dir
from olivepress.core.notebook import facts_html, record_html, table_html
from olivepress.data.store.dataset import Dataset, interleave
from olivepress.models.admission import check_target_modules
from olivepress.models.admission.layout import HEAD, linear_modules
from olivepress.recipe.methods import METHODS
from olivepress.recipe.schema import Recipe
from olivepress.workflow.model import ResolvedModel, checked_model
from olivepress.workflow.own_loss import check_own_loss
from olivepress.workflow.recipe_check import check_recipe, check_revision
from olivepress.workflow.targets import ChosenTarget, choose_targets

__all__ = ["Job", "Plan", "first_of_each_choice", "make_package_plan", "make_plan"]


@dataclass(frozen=True, kw_only=True)
class Job:
    """One workflow to run. ``parent`` is the job whose artifact it reads; None reads the base model.

    A ``package`` is an export of the base model that takes adapters; its parent is the export of the base alone.
    ``choice`` is the device that the recipe names in place of a target: of the jobs of one choice, in their order, the
    first whose artifact passes its checks is taken, and those after it are not needed.
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
    merged exports are what the package is compared with. They run before the plan's own jobs. ``own_targets`` is the
    folder of targets beside the recipe, where there is one.
    """

    recipe: Recipe
    model: ResolvedModel
    dataset: Dataset
    jobs: tuple[Job, ...]
    members: Mapping[str, Plan] = field(default_factory=dict)
    own_targets: Path | None = None

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

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        rows = ", ".join(f"{len(examples):,} {split}" for split, examples in self.dataset.splits.items())
        facts = [("Model", self.recipe.model.path), ("Data", f"{self.dataset.name} ({rows})")]
        jobs = [
            (each.recipe.name, job.id, job.parent or "the base model", job.target.description if job.target else "")
            for each in self.all
            for job in each.jobs
        ]
        table = table_html(("Recipe", "Job", "Made from", "Runs on"), jobs)
        return record_html(f"Plan of {self.recipe.name}", facts_html(facts), table)

    def job(self, job_id: str) -> Job:
        """The job of that id. Raises UsageError naming the nearest."""
        for job in self.jobs:
            if job.id == job_id:
                return job
        raise UsageError(f"no job {job_id!r} in recipe {self.recipe.name}; jobs: {', '.join(j.id for j in self.jobs)}")

    def environment_of(self, job: Job) -> str:
        """The environment that the job's workflow runs in."""
        return job.target.build_environment if job.target else self.model.family.build_environment

    @property
    def trained(self) -> str:
        """The job whose artifact is the trained model with all its weights: what exports are made from."""
        return "merge" if METHODS[self.recipe.finetune.method].adapter else "finetune"

    def output_dir(self, job: Job) -> Path:
        """Where the job's artifact goes, relative to the project root."""
        return job_dir(self.recipe.name, job.id)


def first_of_each_choice(jobs: Sequence[Job]) -> list[Job]:
    """``jobs`` without those that are tried only when an earlier one of the same choice fails its checks."""
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
    """One finetune, one merge of its adapter where it makes one, an export per target.

    Raises RecipeError for a target unknown or not for this family, or one that runs code and is not trusted.
    """
    model = checked_model(recipe)
    check_recipe(recipe, model.facts, dataset)
    check_own_loss(recipe, trusted=trust_targets)
    check_start(recipe, model.origin)
    check_revision(recipe, is_local=not model.on_hub)
    check_target_modules(recipe.name, model.path, model.facts.config, recipe.finetune.target_modules)
    chosen = choose_targets(recipe, model, own_targets=own_targets, trust_targets=trust_targets)
    trained = [Job(id="finetune", kind="finetune", parent=None)]
    if METHODS[recipe.finetune.method].adapter:
        trained.append(Job(id="merge", kind="merge", parent="finetune"))
    parent = trained[-1].id
    exports = (
        Job(id=f"export-{each.target.target}", kind="export", parent=parent, target=each.target, choice=each.choice)
        for each in chosen
    )
    return Plan(recipe=recipe, model=model, dataset=dataset, jobs=(*trained, *exports), own_targets=own_targets)


def make_package_plan(
    recipe: Recipe, datasets: Mapping[str, Dataset], *, own_targets: Path | None = None, trust_targets: bool = False
) -> Plan:
    """For each target the base alone and the package of all adapters; a plan for each adapter beneath.

    ``datasets`` are those of the adapters, by name. Raises RecipeError as ``make_plan``, and for a target whose runtime
    takes no adapters.
    """
    model = checked_model(recipe)
    chosen = choose_targets(recipe, model, own_targets=own_targets, trust_targets=trust_targets)
    for name, member in recipe.members().items():
        _check_has_inputs(recipe, name, member, model)
    members = {
        name: make_plan(member, datasets[name], own_targets=own_targets, trust_targets=trust_targets)
        for name, member in recipe.members().items()
    }
    jobs = list[Job]()
    for each in chosen:
        _check_takes_adapters(recipe, each)
        name = each.target.target
        base = Job(id=f"base-{name}", kind="export", parent=None, target=each.target)
        jobs += [base, Job(id=f"package-{name}", kind="package", parent=base.id, target=each.target)]
    dataset = interleave(recipe.name, datasets)
    return Plan(recipe=recipe, model=model, dataset=dataset, jobs=tuple(jobs), members=members, own_targets=own_targets)


def _check_takes_adapters(recipe: Recipe, chosen: ChosenTarget) -> None:
    """Raises RecipeError unless packages can be built for this target."""
    target = chosen.target
    if chosen.choice is not None:
        raise RecipeError(
            f"recipe {recipe.name}: targets names {chosen.choice} and no precision, which adapter_mode multi needs",
            next_step=f"name a target of it, as {target.target}",
        )
    if target.no_adapters:
        raise RecipeError(
            f"recipe {recipe.name}: target {target.target} takes no adapters: {target.no_adapters}",
            next_step="remove it from the targets, or adapter_mode: merge",
        )


def _check_has_inputs(recipe: Recipe, name: str, member: Recipe, model: ResolvedModel) -> None:
    """Raises RecipeError where an adapter trains modules that a package has no inputs for: it could not be packed."""
    settings = member.finetune
    if settings.start_from is not None or not METHODS[settings.method].low_rank:
        return  # of the one the modules are the adapter's own, the others are refused by the schema
    modules = linear_modules(model.facts.config)
    if "target_modules" in METHODS[settings.method].ignores:
        trained = [module for module in modules if module != HEAD.removesuffix(".weight")]
    else:
        names = settings.target_modules or model.family.target_modules
        trained = [module for module in modules if any(f".{module}".endswith(f".{each}") for each in names)]
    without = _last_names(module for module in trained if not has_inputs(module))
    if without:
        taken = _last_names(module for module in modules if has_inputs(module))
        taken = tuple(each for each in taken if each not in without)
        raise RecipeError(
            f"recipe {recipe.name}: adapter {name} trains {', '.join(without)}, for which the package of a "
            f"{model.family.family} model has no inputs",
            next_step=f"finetune.target_modules: [{', '.join(taken)}], or adapter_mode: merge",
        )


def _last_names(modules: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(module.rpartition(".")[2] for module in modules))
