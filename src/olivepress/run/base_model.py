"""The base model before the first job: fetched where it is a Hub id's, checked, and hashed byte by byte."""

from __future__ import annotations

from olivepress.checkpoint import SMALL_FILES, named_weights, read_json
from olivepress.core.errors import JobError
from olivepress.core.hub import fetch, local_directory
from olivepress.core.layout import BASE_MODEL_HASHES
from olivepress.models.admission import BaseModel, check_folder, check_model_for, read_base_model
from olivepress.run.outcome import Reporter
from olivepress.workflow.model import ResolvedModel
from olivepress.workflow.plan import Plan

__all__ = ["admit", "identity_of", "model_identity"]

_LARGE = 500_000_000


def admit(plan: Plan, reporter: Reporter) -> BaseModel:
    """The base model's hashes. Raises RecipeError for a model that cannot be trained, merged and exported as it is,
    JobError when a Hub id's files cannot be fetched.

    A local folder was checked when the plan was made; of a Hub id the small files are checked before the weights come.
    """
    if not plan.model.is_local:
        _check_fetched(plan)
    return model_identity(plan, reporter)


def _check_fetched(plan: Plan) -> None:
    revision, path = plan.model.revision, plan.model.path
    directory = fetch(path, revision, SMALL_FILES)
    check_folder(directory, weights=False)
    config = read_json(directory / "config.json")
    targets = [job.target for each in plan.all for job in each.jobs if job.target is not None]
    check_model_for(plan.recipe.name, path, plan.model.family, config, targets)
    check_folder(fetch(path, revision, named_weights(directory)))


def model_identity(plan: Plan, reporter: Reporter | None = None) -> BaseModel:
    """``identity_of`` the plan's base model."""
    return identity_of(plan.model, reporter)


def identity_of(model: ResolvedModel, reporter: Reporter | None = None) -> BaseModel:
    """Hashes of the base model's files, every byte of them. Of a Hub id whose files cannot be found here the name.

    Raises RecipeError for weights with NaN, and for a folder without a model.
    """
    try:
        directory = local_directory(model.path, model.revision)
    except (JobError, ModuleNotFoundError):  # the light install has no Hub client
        name = f"{model.path}@{model.revision}"
        return BaseModel(training=name, whole=name)

    def report(done: int, total: int) -> None:
        if reporter is not None and total > _LARGE:
            reporter.reading_model(done, total)

    return read_base_model(directory, BASE_MODEL_HASHES, report)
