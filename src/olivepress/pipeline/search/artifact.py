"""``olivepress search artifact``: a fixed grid of ways to quantize, built from one merged model and measured together.

The grid is data (``catalog/grid``). What is searched is an ordinary plan with more exports: the fine-tune and the merge
are shared with the recipe, finished work is kept, and the page is that of every comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from olivepress.catalog import Target, grid
from olivepress.catalog.groups import with_group_sizes
from olivepress.core.errors import JobError, OlivepressError, UsageError
from olivepress.core.progress import JobProgress
from olivepress.environments.lookup import for_models_of
from olivepress.measure.tuning.record import read_tuning
from olivepress.pipeline.artifacts import not_measured_here
from olivepress.pipeline.bench import Overrides, bench_plan
from olivepress.pipeline.report import Page, report
from olivepress.pipeline.reports import report_paths
from olivepress.pipeline.run import run
from olivepress.pipeline.search.artifact_study import record_artifacts
from olivepress.pipeline.tune import tune
from olivepress.report.machine import fingerprint
from olivepress.run.interpreters import place_of
from olivepress.study.storage import open_storage
from olivepress.workflow.plan import Job, Plan

if TYPE_CHECKING:
    from olivepress.run import JobOutcome, Reporter
    from olivepress.run.executors.plan_jobs import ClusterRun

__all__ = ["SearchResult", "grid_plan", "search"]


@dataclass(frozen=True, kw_only=True)
class SearchResult:
    """The comparison, the points that could not be built or tuned, each with the reason, and what became of the
    recipe's own jobs."""

    page: Page
    problems: tuple[str, ...]
    own: tuple[tuple[Plan, JobOutcome], ...]


def grid_plan(plan: Plan) -> Plan:
    """``plan`` with an export for every point of the grid that is not among its own targets, pass for pass.

    Only points of devices that the recipe ships to and this machine runs natively: speed is measured. Raises UsageError
    for a recipe of packages, or when no point is left.
    """
    if plan.members:
        member = next(iter(plan.members.values())).recipe.name
        raise UsageError(
            f"recipe {plan.recipe.name}: packages cannot be searched, only one merged model",
            next_step=f"olivepress search artifact {member}",
        )
    own = [job.target for job in plan.jobs if job.target is not None]
    config, points = plan.model.facts.config, list[Target]()
    for point in (for_models_of(point, plan.model.family.build_environment) for point in grid().values()):
        if _is_possible(point, plan, own) and not any(_same(point, other, config) for other in (*own, *points)):
            points.append(point)
    if not points:
        known = ", ".join(dict.fromkeys(point.execution_provider for point in grid().values()))
        raise UsageError(
            f"recipe {plan.recipe.name}: the grid has nothing for its targets on this machine; it is for {known}",
            next_step="add cpu-int4 to the recipe's targets",
        )
    jobs = (Job(id=f"export-{point.target}", kind="export", parent=plan.trained, target=point) for point in points)
    return replace(plan, jobs=(*plan.jobs, *jobs))


def _is_possible(point: Target, plan: Plan, own: Sequence[Target]) -> bool:
    """Whether it is for a provider of the recipe's own targets, for this model, and runs natively here."""
    if point.execution_provider not in {target.execution_provider for target in own}:
        return False
    if plan.model.family.refusal(plan.model.facts.config, f"{point.device}-{point.precision}") is not None:
        return False
    return place_of(point).how == "native"


def _same(a: Target, b: Target, config: Mapping[str, Any]) -> bool:
    """Whether two targets build the same artifact of a model with this config.json."""
    if a.execution_provider != b.execution_provider:
        return False
    return with_group_sizes(a.passes, config) == with_group_sizes(b.passes, config)


def search(
    plan: Plan,
    *,
    overrides: Overrides,
    budget_s: float,
    reporter: Reporter,
    on_bench: JobProgress,
    on_tuning: JobProgress,
    cluster: ClusterRun | None = None,
) -> SearchResult:
    """Build every point, here or on a ``cluster``; here, tune its session for ``budget_s`` (0: not at all), measure all
    in one session and compare them under the recipe's budget.

    Every point is a trial of the study RECIPE/artifact.N in the database of all searches. Safe to interrupt: what is
    built, or tuned on this machine, is kept. The page is in ``runs/<recipe>/search/``.
    Raises JobError when no point could be built, else what ``run`` and ``bench_plan`` raise.
    """
    searched = grid_plan(plan)
    open_storage()  # a database that cannot be used is said before hours are spent
    outcomes = run(searched, reporter=reporter, keep_going=True, cluster=cluster)
    failed = {outcome.job: str(outcome.error) for _, outcome in outcomes if outcome.manifest is None}
    built = replace(searched, jobs=tuple(job for job in searched.jobs if job.id not in failed))
    if not any(job.kind == "export" for job in built.jobs):
        name, reason = next(iter(failed.items()))
        raise JobError(f"nothing could be built, first {name}: {reason}")
    problems = [f"not built: {name}: {reason}" for name, reason in failed.items()]
    if budget_s:
        problems += _tune_all(built, budget_s, on_tuning)
    bench_plan(built, overrides=overrides, on_progress=on_bench)
    paths = report_paths(built)
    reasons = {outcome.job: str(outcome.error) for _, outcome in outcomes if outcome.error is not None}
    record_artifacts(searched, reasons, paths)
    page = report(built, paths, folder="search")
    ids = {job.id for job in plan.jobs}
    own = tuple((plan, outcome) for _, outcome in outcomes if outcome.job in ids)
    return SearchResult(page=page, problems=tuple(problems), own=own)


def _tune_all(plan: Plan, budget_s: float, on_progress: JobProgress) -> list[str]:
    """Tune every export that has a session and no record of this machine; returns what could not be tuned and why."""
    problems, machine, skipped = [], fingerprint().id, not_measured_here(plan)
    for job in plan.jobs:
        if job.target is None or job.target.runtime != "onnxruntime-genai" or job.id in skipped:
            continue
        tuning = read_tuning(plan.output_dir(job))
        if tuning is not None and tuning.machine.id == machine:
            continue
        try:
            tune(plan.output_dir(job), budget_s=budget_s, on_progress=on_progress)
        except OlivepressError as error:
            problems.append(f"not tuned: {job.id}: {error}")
    return problems
