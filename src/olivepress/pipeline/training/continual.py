"""Goes on from a fine-tune with new data: replay of earlier rows, training, and scores on every earlier test split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from olivepress.core.artifact import Manifest, read_manifest
from olivepress.core.child.run import run_task
from olivepress.core.errors import DataError, JobError, ReportError, UsageError
from olivepress.core.files import write_text
from olivepress.core.layout import continuation, dataset_dir, job_dir, recipe_runs
from olivepress.core.names import slug
from olivepress.data.build import build_dataset
from olivepress.data.derive.mixing import REPLAY_SHARE, continued
from olivepress.data.store.dataset import Dataset, is_prepared, load_dataset, write_dataset
from olivepress.measure.worker.records import PYTORCH, Answer, AnswersSpec
from olivepress.measure.worker.tasks import answers as answer_task
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.run import run as run_jobs
from olivepress.pipeline.training.evidence import RunFiles, files_of
from olivepress.recipe.methods import METHODS
from olivepress.recipe.schema import RECIPES, Data, Recipe, recipe_files
from olivepress.run.cleanup import remove_directories
from olivepress.run.interpreters import model_python
from olivepress.track.runs import TrackedRun
from olivepress.train.continual import (
    EPOCHS,
    Continuation,
    Score,
    Version,
    continued_recipe,
    metric_of,
    read_continuation,
    score,
)
from olivepress.workflow.plan import Plan, make_plan
from olivepress.workflow.render import render as render_workflow

if TYPE_CHECKING:
    from olivepress.run import Reporter

__all__ = ["Continued", "Wishes", "check_test_rows", "continue_run", "data_of", "plan_of_run", "preparation_of"]


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """What the user may choose; ``learning_rate`` None: a third of the run's, ``name`` None: by the data's name.

    ``trust_targets`` as in ``load_plan``.
    """

    name: str | None = None
    share: float = REPLAY_SHARE
    learning_rate: float | None = None
    epochs: float = EPOCHS
    trust_targets: bool = False


@dataclass(frozen=True, kw_only=True)
class Continued:
    """The recipe that was written, and its record with the scores."""

    recipe: str
    path: Path
    record: Continuation


def continue_run(run: TrackedRun, data: str, wishes: Wishes, *, reporter: Reporter) -> Continued:
    """Train the model of ``run`` further on ``data``; interrupted, the same command goes on.

    Nothing is written before the data, the earlier versions and the recipe have been checked. Raises UsageError for a
    run that is no fine-tune or a recipe of that name that is another one; JobError for a run without an artifact, or
    whose adapter cannot be merged any more;
    DataError for an earlier version that is not here any more; errors as ``run``.
    """
    files = files_of(run)
    manifest = _artifact(files)
    name = _new_name(files.recipe, data, wishes.name)
    before = read_continuation(continuation(files.recipe.name))
    first = Version(name=manifest.dataset, version=manifest.dataset_version)
    versions = before.versions if before else (first,)
    earlier = [_dataset(version) for version in versions]
    parent = plan_of_run(files.recipe, load_dataset(files.dataset), wishes, manifest.workflow_sha256)
    prepared_as = preparation_of(files.recipe, before)
    new = build_dataset(data_of(prepared_as, data))
    check_test_rows((*earlier, new))
    merged = _trained_dir(files)
    dataset = continued(new, earlier, name=f"{name}-rows", share=wishes.share, seed=files.recipe.finetune.seed)
    named: dict[str, Any] = {"learning_rate": wishes.learning_rate, "epochs": wishes.epochs}
    labels = {row.label for row in dataset.splits["train"]}
    recipe = continued_recipe(files.recipe, name=name, model=merged, dataset=dataset.directory, labels=labels, **named)
    path = _recipe_path(recipe)
    to_merge = _is_to_merge(parent, manifest)
    _check_recipe(recipe, files.recipe, dataset, wishes)
    if to_merge:
        run_jobs(parent, reporter=reporter, only=parent.trained)
    write_dataset(new)
    write_dataset(dataset)
    record = _record(manifest, dataset, recipe, wishes, run=run.name, versions=(*versions, _version(new)))
    record = record.model_copy(update={"prepared_as": prepared_as})
    _write(path, recipe, run.name, data)
    write_text(continuation(name), record.model_dump_json(indent=2) + "\n")
    plan = load_plan(path.as_posix(), trust_targets=wishes.trust_targets)
    for job in plan.jobs:
        if job.target is None:
            run_jobs(plan, reporter=reporter, only=job.id)
    record = record.model_copy(update={"scores": tuple(_scores(plan, merged, record, reporter))})
    write_text(continuation(name), record.model_dump_json(indent=2) + "\n")
    return Continued(recipe=name, path=path, record=record)


def _record(
    finetune: Manifest, dataset: Dataset, recipe: Recipe, wishes: Wishes, *, run: str, versions: tuple[Version, ...]
) -> Continuation:
    return Continuation(
        run=run,
        artifact_sha256=finetune.sha256,
        share=wishes.share,
        learning_rate=recipe.finetune.learning_rate,
        epochs=recipe.finetune.epochs,
        rows_trained=len(dataset.splits["train"]),
        rows_replayed=sum(_is_replayed(dataset)),
        versions=versions,
    )


def _version(dataset: Dataset) -> Version:
    return Version(name=dataset.name, version=dataset.version)


def _artifact(files: RunFiles) -> Manifest:
    if files.manifest is None:
        raise JobError(
            f"{files.run.name}: its artifact is not here, or a later run has replaced it",
            next_step=f"olivepress run {files.recipe.name}, then continue from that run",
        )
    return files.manifest


def _new_name(recipe: Recipe, data: str, name: str | None) -> str:
    if name is not None and name != slug(name):
        raise UsageError(f"--name {name!r}: expected a name such as {slug(name)}", next_step=f"--name {slug(name)}")
    return name or slug(f"{recipe.name}-{Path(data).stem}")


def _dataset(version: Version) -> Dataset:
    directory = dataset_dir(version.name, version.version)
    if not is_prepared(directory):
        raise DataError(
            f"{directory}: an earlier version of the data is not here any more, expected it for its test rows",
            next_step="prepare the same data again, or restore the folder",
        )
    return load_dataset(directory)


def check_test_rows(versions: Sequence[Dataset]) -> None:
    """DataError for a version that could not be scored after the training."""
    for each in versions:
        if not each.splits["test"]:
            raise DataError(
                f"{each.name}-{each.version[:12]}: has no test row, expected at least 1 to compare the answers by",
                next_step="give more rows, or set data.test_fraction in the recipe that is continued",
            )


def preparation_of(recipe: Recipe, before: Continuation | None) -> Data:
    """How the first recipe's rows were read; of a recipe that was continued itself its record says so."""
    assert recipe.data is not None
    recorded = before.prepared_as if before is not None else None
    return recorded or recipe.data


def data_of(data: Data, source: str) -> Data:
    """The new rows in ``source``, read as ``data`` was; those of a prepared dataset as they are."""
    if is_prepared(Path(source)):
        return Data(source=source, max_length=data.max_length)
    fields = data.model_dump(mode="json") | {"demo": None, "source": source, "slices": []}
    return Data.model_validate_json(json.dumps(fields))


def _trained_dir(files: RunFiles) -> Path:
    """The model to go on from: of an adapter the merged one."""
    if not METHODS[files.recipe.finetune.method].adapter:
        return files.output / "model"
    return job_dir(files.recipe.name, "merge") / "model"


def plan_of_run(recipe: Recipe, dataset: Dataset, wishes: Wishes, workflow_sha256: str) -> Plan:
    """The plan whose fine-tune has this workflow: a default may be written another way than the same value in a file
    (32 and 32.0), which a record cannot tell apart."""
    left_out = Recipe.model_validate_json(recipe.model_dump_json(exclude_defaults=True))
    plans = [_plan(each, dataset, wishes) for each in (recipe, left_out)]
    same = (plan for plan in plans if render_workflow(plan, plan.job("finetune")).sha256 == workflow_sha256)
    return next(same, plans[0])


def _plan(recipe: Recipe, dataset: Dataset, wishes: Wishes) -> Plan:
    own = RECIPES / "targets"
    own_targets = own if own.is_dir() else None
    return make_plan(recipe, dataset, own_targets=own_targets, trust_targets=wishes.trust_targets)


def _is_to_merge(parent: Plan, finetune: Manifest) -> bool:
    """Whether the adapter of the run is still to be merged. JobError where its fine-tune is not that of the plan."""
    if parent.trained == finetune.job:
        return False
    try:
        merged = read_manifest(parent.output_dir(parent.job(parent.trained)), verify=True)
    except ReportError:
        merged = None
    if merged is not None and merged.parent_sha256 == finetune.sha256:
        return False
    if render_workflow(parent, parent.job(finetune.job)).sha256 != finetune.workflow_sha256:
        raise JobError(
            f"{finetune.recipe}: its adapter is not merged, and its fine-tune is of another workflow than this version "
            "renders for its recipe",
            next_step=f"olivepress run {finetune.recipe}, then continue from that run",
        )
    return True


def _check_recipe(recipe: Recipe, earlier: Recipe, dataset: Dataset, wishes: Wishes) -> None:
    """Errors as ``make_plan``, before anything is written: of a model that is not merged yet its base says enough."""
    if not Path(recipe.model.path).is_dir():
        recipe = recipe.model_copy(update={"model": earlier.model})
    _plan(recipe, dataset, wishes)


def _recipe_path(recipe: Recipe) -> Path:
    """Where the recipe is written. UsageError where another one has the name."""
    path = RECIPES / f"{recipe.name}.yaml"
    known = recipe_files().get(recipe.name)
    if known is None:
        return path
    from olivepress.recipe.schema import load_recipe

    if known == path and load_recipe(path) == recipe:
        return path
    raise UsageError(f"{known}: another recipe has this name", next_step="--name ANOTHER-NAME")


def _write(path: Path, recipe: Recipe, run: str, data: str) -> None:
    """The keys that differ from their defaults."""
    fields = recipe.model_dump(mode="json", exclude_defaults=True)
    head = f"# Goes on from {run} with {Path(data).name}: written by olivepress train continue.\n"
    write_text(path, head + yaml.safe_dump(fields, sort_keys=False, allow_unicode=True, width=110))


def _is_replayed(dataset: Dataset) -> list[bool]:
    path = dataset.directory / "lineage.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()[: len(dataset.splits["train"])]
    return [str(json.loads(line).get("made_by", "")).startswith("replayed from ") for line in lines]


def _scores(plan: Plan, before: Path, record: Continuation, reporter: Reporter) -> list[Score]:
    """On the test split of every version, by the model before and after."""
    after = plan.output_dir(plan.job(plan.trained)) / "model"
    sha256, metric, scores = read_manifest(plan.output_dir(plan.job(plan.trained))).sha256, metric_of(plan.recipe), []
    folder = recipe_runs(plan.recipe.name) / ".continue"
    folder.mkdir(parents=True, exist_ok=True)
    for version in record.versions:
        given = list[Sequence[Answer]]()
        for when, model, known in (("before", before, record.artifact_sha256), ("after", after, sha256)):
            reporter.checking(f"test rows of {version.name}: {when}")
            spec = AnswersSpec(
                model_dir=model,
                runtime=PYTORCH,
                dataset_dir=dataset_dir(version.name, version.version),
                split="test",
                limit=plan.recipe.benchmark.max_examples,
                partial=folder / f"{version.version[:12]}-{known[:12]}.jsonl",
            )
            given.append(run_task(answer_task, spec, interpreter=model_python(plan)).result.examples)
            reporter.checked(f"test rows of {version.name}: {when}: {len(given[-1])} answered")
        is_new = version == record.versions[-1]
        scores.append(score(version, metric, given[0], given[1], is_new=is_new))
    remove_directories(folder)
    return scores
