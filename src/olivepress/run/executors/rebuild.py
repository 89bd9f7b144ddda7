"""A job of a plan on another machine: its description as JSON there, and the plan made again from it here."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from olivepress.core.errors import JobError
from olivepress.core.layout import CONFIGS, HUB_COMMITS, parent_answers
from olivepress.data.store.dataset import load_dataset
from olivepress.models.admission import BaseModel as BaseHashes
from olivepress.recipe.schema import Recipe
from olivepress.report.machine import package_versions
from olivepress.run.base_model import admit
from olivepress.run.outcome import Reporter
from olivepress.run.package import parts_of
from olivepress.workflow.plan import Job, Plan, make_package_plan, make_plan
from olivepress.workflow.render import render_all
from olivepress.workflow.rendered import Workflow

__all__ = ["Description", "Rebuilt", "describe", "input_paths", "rebuild"]


class Description(BaseModel):
    """What the plan is made from, and what must come out of it again: hashes of the workflow, the data and the base.

    ``datasets`` are folders, by the name of the adapter ("" of a recipe of one); ``packages`` the versions that the
    submitting side has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: dict[str, Any]
    job: str
    datasets: dict[str, str]
    dataset_version: str
    workflow_sha256: str
    base_sha256: str
    packages: dict[str, str]
    own_targets: str | None = None
    trust_targets: bool = False
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Rebuilt:
    """A job, ready to be made."""

    plan: Plan
    job: Job
    workflow: Workflow
    force: bool


def describe(plan: Plan, job: Job, workflow: Workflow, base: BaseHashes, *, trust: bool, force: bool) -> Description:
    """Of a job on the submitting side."""
    own_targets = _own_targets(plan)
    datasets = {name: member.dataset.directory.as_posix() for name, member in plan.members.items()}
    return Description(
        recipe=plan.recipe.model_dump(mode="json"),
        job=job.id,
        datasets=datasets or {"": plan.dataset.directory.as_posix()},
        dataset_version=plan.dataset.version,
        workflow_sha256=workflow.sha256,
        base_sha256=base.whole,
        packages=package_versions(),
        own_targets=own_targets.as_posix() if own_targets else None,
        trust_targets=trust,
        force=force,
    )


def _own_targets(plan: Plan) -> Path | None:
    """As the folder lies in the project, however the recipe was named."""
    folder = plan.own_targets
    if folder is not None and folder.absolute().is_relative_to(Path.cwd()):
        return folder.absolute().relative_to(Path.cwd())
    return folder


def input_paths(plan: Plan, job: Job) -> Iterator[Path]:
    """The files and folders of the project that a worker needs for the job; some may not be there."""
    if plan.model.is_local:
        yield Path(plan.model.path)
    yield HUB_COMMITS
    for each in plan.all:
        yield each.dataset.directory
        yield CONFIGS / each.recipe.name
    if job.parent:
        yield plan.output_dir(plan.job(job.parent))
        yield parent_answers(plan.recipe.name, job.parent)
    for member, part in parts_of(plan, job):
        yield member.output_dir(part)
    settings = plan.recipe.finetune
    if settings.loss is not None:
        yield Path(settings.loss.module.partition(":")[0])
    if settings.start_from:
        from olivepress.adapters.start_adapter import start_adapter

        yield start_adapter(settings.start_from).folder
    if (own_targets := _own_targets(plan)) is not None:
        yield own_targets


def rebuild(fields: Mapping[str, Any], reporter: Reporter) -> Rebuilt:
    """The plan and the job of a description, in the folder with its files.

    Raises JobError when something differs from the submitting side, and what ``make_plan`` raises.
    """
    wanted = Description.model_validate(dict(fields))
    _check_packages(wanted.packages)
    recipe = Recipe.model_validate_json(json.dumps(wanted.recipe))
    options: dict[str, Any] = {
        "own_targets": Path(wanted.own_targets) if wanted.own_targets else None,
        "trust_targets": wanted.trust_targets,
    }
    datasets = {name: load_dataset(Path(folder)) for name, folder in wanted.datasets.items()}
    if recipe.adapters:
        plan = make_package_plan(recipe, datasets, **options)
    else:
        plan = make_plan(recipe, datasets[""], **options)
    job = plan.job(wanted.job)
    workflow = next(each for each in render_all(plan) if each.job_id == job.id)
    base = wanted.base_sha256 if plan.model.is_local else admit(plan, reporter).whole
    for what, here, there in (
        ("data", plan.dataset.version, wanted.dataset_version),
        ("workflow", workflow.sha256, wanted.workflow_sha256),
        ("base model", base, wanted.base_sha256),
    ):
        if here != there:
            raise JobError(f"{job.id}: the {what} on this machine is another one ({here[:12]}, expected {there[:12]})")
    return Rebuilt(plan=plan, job=job, workflow=workflow, force=wanted.force)


def _check_packages(there: Mapping[str, str]) -> None:
    """JobError for a package that both sides have in different versions; builds for other devices count as the same."""
    here = package_versions()
    for name, version in there.items():
        own = here.get(name, version)
        if own.split("+")[0] != version.split("+")[0]:
            raise JobError(
                f"this machine has {name} {own}, the submitting one {version}",
                next_step="install the same versions on every machine (requirements.lock)",
            )
