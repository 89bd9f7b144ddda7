"""A trial of a search: the recipe with its settings, fine-tuned by an ordinary run; its files go afterwards."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olivepress.core.child.messages import ProgressMessage
from olivepress.core.child.run import run_task
from olivepress.core.errors import RecipeError
from olivepress.core.hub import local_directory
from olivepress.core.layout import CONFIGS, recipe_runs
from olivepress.data.store.dataset import Dataset
from olivepress.measure.worker import tasks
from olivepress.measure.worker.records import PYTORCH, AnswersSpec
from olivepress.pipeline.run import raise_failed, run
from olivepress.pipeline.search.on_cluster import cluster_of_trial
from olivepress.pipeline.search.reporter import SearchReporter
from olivepress.recipe.finetune import LOSS, Finetune
from olivepress.recipe.methods import METHODS, four_bit_base
from olivepress.recipe.schema import Recipe
from olivepress.recipe.search import Search
from olivepress.report.answers import answer_metric, is_correct
from olivepress.report.registry import METRICS
from olivepress.run.failure import ChecksFailed
from olivepress.run.interpreters import model_python, place_of
from olivepress.run.outcome import JobOutcome
from olivepress.study.objective import Behind, TrialWatch, has_diverged, trial_value
from olivepress.study.space import TARGET, Params, apply
from olivepress.workflow.evaluation import evaluation_of, higher_is_better
from olivepress.workflow.plan import Job, Plan, make_plan

if TYPE_CHECKING:
    from olivepress.run.executors.plan_jobs import ClusterRun

__all__ = ["Searched", "export_trial", "finetune_trial", "for_target", "remove_trial"]
__all__ += ["check_workers", "score_test_rows", "trial_recipe"]

_RECORDS = "records"  # what tracking keeps of a run


@dataclass(frozen=True, kw_only=True)
class Searched:
    """What is searched: a recipe of one adapter with ``search``, its data and base model as a record names it, where
    its own targets are, and the cluster that its trials run on; None: this machine."""

    recipe: Recipe
    dataset: Dataset
    search: Search
    base_model: str = ""
    own_targets: Path | None = None
    trust_targets: bool = False
    cluster: ClusterRun | None = None

    @property
    def metric(self) -> str:
        """What trials are compared by, on the validation split: what checkpoints of the recipe are compared by."""
        return self.recipe.finetune.checkpoint_metric

    @property
    def higher(self) -> bool:
        """Whether more of the metric is better."""
        return higher_is_better(self.metric)

    @property
    def test_metric(self) -> str:
        """What the winner and the default are compared by, on the test split: the paired test needs a number of each
        row, which F1 over classes or BLEU do not have."""
        if self.metric != LOSS and METRICS[self.metric].judge in ("share", "mean"):
            return self.metric
        limits = self.recipe.budget["all"].limits if "all" in self.recipe.budget else {}
        return answer_metric(limits)

    @property
    def evaluated_rows(self) -> int:
        """Rows of each evaluation: those of the recipe itself, the same for every trial."""
        splits = self.dataset.splits
        rows = len(splits["validation"])
        evaluation = evaluation_of(self.recipe.finetune, train_rows=len(splits["train"]), validation_rows=rows)
        assert evaluation is not None  # the recipe was refused without one
        return max(2, evaluation.rows)


def trial_recipe(
    searched: Searched, params: Params, *, name: str, length: float = 1.0, seed: int | None = None
) -> Recipe:
    """The recipe of a trial. RecipeError for settings that do not go together, in one line."""
    try:
        settings = apply(searched.recipe.finetune, params)
        changed = _shortened(settings, length) | {"eval_rows": searched.evaluated_rows, "report_to": []}
        if seed is not None:
            changed["seed"] = seed
        finetune = settings.model_dump(mode="json") | changed
        whole = searched.recipe.model_dump(mode="json") | {"name": name, "finetune": finetune, "search": None}
        if TARGET in params:
            whole |= for_target(searched.recipe, str(params[TARGET]))
        return Recipe.model_validate_json(json.dumps(whole))
    except ValueError as error:
        reason = error.errors()[0]["msg"] if hasattr(error, "errors") else str(error)
        raise RecipeError(f"{name}: expected {reason.removeprefix('Value error, ')}") from error


def for_target(recipe: Recipe, target: str) -> dict[str, Any]:
    """Keys of the recipe that is for this target alone."""
    budget = recipe.model_dump(mode="json", exclude_unset=True).get("budget", {})
    keys: dict[str, Any] = {"targets": [target]}
    if budget:
        keys["budget"] = {key: limits for key, limits in budget.items() if key in ("all", target)}
    return keys


def _shortened(settings: Finetune, length: float) -> dict[str, Any]:
    """Keys of a fine-tune that trains for this share of its length."""
    if length == 1.0:
        return {}
    changed: dict[str, Any] = {"epochs": settings.epochs * length}
    if settings.max_steps is not None:
        changed["max_steps"] = max(1, round(settings.max_steps * length))
    if settings.eval_steps:
        changed["eval_steps"] = max(1, round(settings.eval_steps * length))
    return changed


def finetune_trial(
    searched: Searched, recipe: Recipe, reporter: SearchReporter, watch: TrialWatch | None
) -> tuple[Plan, float, int]:
    """Fine-tune a trial: (its plan, its validation metric, the step of its checkpoint). Raises as ``run``."""
    plan = _plan(searched, recipe)
    plan = replace(plan, jobs=tuple(job for job in plan.jobs if job.target is None))
    raise_failed(_run(searched, plan, reporter, watch, only="finetune"))
    value, step = trial_value(recipe.name, searched.metric)
    return plan, value, step


def export_trial(searched: Searched, recipe: Recipe, reporter: SearchReporter) -> tuple[Plan, float, int]:
    """The same, and its export for the recipe's only target. Behind for an artifact that does not pass its checks: its
    settings are to blame, and it would not ship."""
    plan = _plan(searched, recipe)
    try:
        raise_failed(_run(searched, plan, reporter, None))
    except ChecksFailed as error:
        if has_diverged(error):
            raise
        raise Behind(f"pruned, as its artifact does not pass its checks: {error.message}") from error
    value, step = trial_value(recipe.name, searched.metric)
    return plan, value, step


def check_workers(searched: Searched) -> None:
    """SetupError, before the first trial, for a job of the recipe that no worker of the cluster could run."""
    if searched.cluster is not None:
        only = None if searched.search.joint is not None else "finetune"
        searched.cluster.check([_plan(searched, searched.recipe)], only)


def _run(
    searched: Searched, plan: Plan, reporter: SearchReporter, watch: TrialWatch | None, only: str | None = None
) -> list[tuple[Plan, JobOutcome]]:
    """The jobs of a trial, here or on the cluster."""
    of_trial = _TrialReporter(reporter, watch, searched.metric)
    if searched.cluster is None:
        return run(plan, reporter=of_trial, only=only)
    cluster = cluster_of_trial(searched.cluster, plan, searched.recipe.name, reporter, of_trial)
    return run(plan, reporter=of_trial, only=only, cluster=cluster)


def _plan(searched: Searched, recipe: Recipe) -> Plan:
    return make_plan(recipe, searched.dataset, own_targets=searched.own_targets, trust_targets=searched.trust_targets)


class _TrialReporter:
    """Passes the steps of a trial on, and looks at its evaluations; the rest of a run's progress is not shown."""

    def __init__(self, reporter: SearchReporter, watch: TrialWatch | None, metric: str) -> None:
        self._reporter, self._watch, self._metric = reporter, watch, metric
        self._note = ""

    def fetching_model(self, what: str, done: int, total: int) -> None:
        self._reporter.fetching_model(what, done, total)

    def reading_model(self, done: int, total: int) -> None:
        self._reporter.reading_model(done, total)

    def job_progress(self, job: Job, step: ProgressMessage) -> None:
        if step.loss is None and self._watch is not None:  # the line of an evaluation
            value = self._watch.look()
            self._note = f"validation {self._metric} {value:.4g}" if value is not None else ""
        self._reporter.update(self._note, step.done, step.total)

    def checking(self, what: str) -> None: ...
    def checked(self, result: str) -> None: ...
    def run_started(self, expected: Any) -> None: ...
    def job_started(self, job: Job, number: int, total: int) -> None: ...
    def stage(self, job: Job, what: str) -> None: ...
    def note(self, job: Job, text: str) -> None: ...
    def job_ended(self, outcome: JobOutcome) -> None: ...


def score_test_rows(searched: Searched, plan: Plan, reporter: SearchReporter) -> dict[str, float]:
    """Row of the test split → the score, from 0 to 1, of what the fine-tuned model answers; its export where there is
    one."""
    model, python = _answering(plan)
    spec = AnswersSpec(
        **model,
        dataset_dir=plan.dataset.directory,
        split="test",
        limit=searched.recipe.benchmark.max_examples,
        partial=recipe_runs(plan.recipe.name) / "answers",
    )
    answered = run_task(
        tasks.answers,
        spec,
        interpreter=python,
        on_progress=lambda done, total: reporter.update("test rows", done, total),
    ).result.examples
    score = METRICS[searched.test_metric].score or (lambda output, expected: float(is_correct(output, expected)))
    return {each.id: float(score(each.output, each.expected)) for each in answered}


def _answering(plan: Plan) -> tuple[Mapping[str, Any], Path | None]:
    """(the model that answers, the Python that runs it)."""
    export = next((job for job in plan.jobs if job.target is not None), None)
    if export is not None and export.target is not None:
        return {"model_dir": plan.output_dir(export)}, place_of(export.target).interpreter
    settings, output = plan.recipe.finetune, plan.output_dir(plan.job("finetune"))
    if not METHODS[settings.method].adapter:
        return {"model_dir": output / "model", "runtime": PYTORCH}, model_python(plan)
    base = local_directory(plan.model.path, plan.model.revision)
    four_bit = four_bit_base(settings.method, settings.torch_dtype)
    model = {"model_dir": base, "adapter_dir": output / "adapter", "four_bit": four_bit, "runtime": PYTORCH}
    return model, model_python(plan)


def remove_trial(run_name: str, *, keep_log: bool) -> None:
    """Remove the weights, checkpoints and workflows of a trial; what tracking recorded stays, of a failed one its log
    too."""
    kept = {_RECORDS, "logs"} if keep_log else {_RECORDS}
    folder = recipe_runs(run_name)
    with contextlib.suppress(FileNotFoundError):  # another process may remove them at the same time
        for path in folder.iterdir():
            if path.name in kept:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # not empty where something is kept
        folder.rmdir()
    shutil.rmtree(CONFIGS / run_name, ignore_errors=True)
