"""``MODEL=`` and ``DATA=`` → Plan, and what a run of it would do here; nothing is written but what was measured or
hashed once and is remembered in ``runs/``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from olivepress.data.build import build_dataset
from olivepress.workflow.estimate import Need, need, total
from olivepress.workflow.find_recipe import find_recipe
from olivepress.workflow.plan import Job, Plan, make_package_plan, make_plan

if TYPE_CHECKING:
    from olivepress.run import Outlook

__all__ = ["Ahead", "load_plan", "look_ahead"]


@dataclass(frozen=True, kw_only=True)
class Ahead:
    """What a run would do now with the jobs of a plan and of its members, in the order they run."""

    jobs: Sequence[tuple[Plan, Job, Outlook]]

    def states(self, plan: Plan) -> dict[str, Outlook]:
        """Job → what would be done with it."""
        return {job.id: outlook for each, job, outlook in self.jobs if each is plan}

    def of(self, *states: str) -> list[tuple[Plan, Job, Outlook]]:
        """The jobs in one of these states."""
        return [entry for entry in self.jobs if entry[2].state in states]

    @property
    def to_run(self) -> Need | None:
        """What all jobs together that would run take: None when none would."""
        wanted = {f"{plan.recipe.name}/{job.id}": need(plan, job) for plan, job, _ in self.of("run", "verify")}
        return total(wanted) if wanted else None


def load_plan(model: str, *, data: str | None = None, trust_targets: bool = False) -> Plan:
    """The plan of the recipe that ``model`` names, on its own data or ``data``.

    ``trust_targets`` accepts targets beside the recipe that make Olive run code of their own; RecipeError without it.
    """
    recipe, own_targets = find_recipe(model, data=data)
    if recipe.data is not None:
        dataset = build_dataset(recipe.data)
        return make_plan(recipe, dataset, own_targets=own_targets, trust_targets=trust_targets)
    datasets = {name: build_dataset(adapter.data) for name, adapter in recipe.adapters.items()}
    return make_package_plan(recipe, datasets, own_targets=own_targets, trust_targets=trust_targets)


def look_ahead(plan: Plan, *, force: bool = False) -> Ahead:
    """What a run would do here; ``force`` as in ``run_plan``."""
    return Ahead(jobs=list(_look_ahead(plan, force)))


def _look_ahead(plan: Plan, force: bool) -> Iterator[tuple[Plan, Job, Outlook]]:
    from olivepress.run import base_of_finished, outlooks

    for each in plan.all:
        states = outlooks(each, base_of_finished(each), force=force)
        yield from ((each, job, states[job.id]) for job in each.jobs)
