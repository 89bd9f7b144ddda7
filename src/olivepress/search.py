"""``olivepress search artifact``: a fixed grid of ways to quantize, built from one merged model and measured together.

The grid is data (``catalog/grid``). What is searched is an ordinary plan with more exports, so that the fine-tune and
the merge are shared with the recipe, what is finished is kept, and the page is the one that every comparison makes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olivepress import pipeline
from olivepress.catalog import Target, grid
from olivepress.device_reports import Overrides, bench_plan, report_paths
from olivepress.errors import JobError, UsageError
from olivepress.measure.machine import fingerprint
from olivepress.plan import Job, Plan
from olivepress.run.where import place_of
from olivepress.session_tuning import tune

if TYPE_CHECKING:
    from olivepress.compare.document import Document
    from olivepress.run import Reporter

__all__ = ["grid_plan", "on_front", "search"]

Tell = Callable[..., None]


def grid_plan(plan: Plan) -> Plan:
    """``plan`` with an export for every point of the grid that is not among its own targets, pass for pass.

    Only points of devices that the recipe ships to and this machine runs natively: speed is measured. Raises UsageError
    for a recipe of packages, or when no point is left.
    """
    if plan.members:
        member = next(iter(plan.members.values())).recipe.name
        raise UsageError(
            f"recipe {plan.recipe.name}: packages are not searched, one merged model is",
            next_step=f"olivepress search artifact {member}",
        )
    own = [job.target for job in plan.jobs if job.target is not None]
    devices = {target.execution_provider for target in own}
    points = [point for point in grid().values() if point.execution_provider in devices]
    points = [point for point in points if place_of(point).how == "native" and not any(_same(point, t) for t in own)]
    family, config = plan.model.family, plan.model.facts.config
    points = [point for point in points if family.why_not(config, f"{point.device}-{point.precision}") is None]
    if not points:
        known = ", ".join(dict.fromkeys(point.execution_provider for point in grid().values()))
        raise UsageError(
            f"recipe {plan.recipe.name}: the grid has nothing for its targets on this machine; it is for {known}",
            next_step="add cpu-int4 to the recipe's targets",
        )
    jobs = (Job(id=f"export-{point.target}", kind="export", parent="merge", target=point) for point in points)
    return replace(plan, jobs=(*plan.jobs, *jobs))


def _same(a: Target, b: Target) -> bool:
    """Whether two targets make the same artifact."""
    return (a.execution_provider, a.passes) == (b.execution_provider, b.passes)


def search(
    plan: Plan, *, overrides: Overrides, budget_s: float, reporter: Reporter, tell: Tell, tell_tuning: Tell
) -> tuple[Document, dict[str, Path], Sequence[str]]:
    """Build and measure every point, and compare them under the recipe's budget; then the sessions of those on the
    Pareto front are searched for ``budget_s`` each (0: not at all), and what became faster is measured again.

    Returns the comparison, its page's files in ``runs/<recipe>/search/``, and what could not be built with the reason.
    Raises JobError when no point could be, else what ``pipeline.run`` and ``bench_plan`` raise.
    """
    made = grid_plan(plan)
    outcomes: list[Any] = pipeline.run(made, reporter=reporter, keep_going=True)
    failed = {outcome.job: str(outcome.error) for _, outcome in outcomes if outcome.manifest is None}
    built = replace(made, jobs=tuple(job for job in made.jobs if job.id not in failed))
    if not any(job.kind == "export" for job in built.jobs):
        name, why = next(iter(failed.items()))
        raise JobError(f"nothing could be built, first {name}: {why}")
    bench_plan(built, overrides=overrides, tell=tell)
    document, files = pipeline.report(built, report_paths(built), folder="search")
    if budget_s and _tuned(built, front := on_front(document, built), budget_s, tell_tuning):
        bench_plan(built, only=front, overrides=overrides, tell=tell)
        document, files = pipeline.report(built, report_paths(built), folder="search")
    return document, files, [f"{name}: {why}" for name, why in failed.items()]


def on_front(document: Document, plan: Plan) -> set[str]:
    """The exports of ``plan`` on this machine's Pareto front that have a session to tune."""
    here = fingerprint().id
    names = {
        candidate.name.removesuffix(f" @ {here}")
        for decision in document.decisions
        for candidate in decision.candidates
        if decision.machine == here and candidate.on_front
    }
    exports = {job.id: job.target for job in plan.jobs if job.kind == "export" and job.id in names}
    return {name for name, target in exports.items() if target and target.runtime == "onnxruntime-genai"}


def _tuned(plan: Plan, jobs: Collection[str], budget_s: float, tell: Tell) -> bool:
    """Search the session of each; whether any was given other settings than it was shipped with."""
    found = [tune(plan.output_dir(plan.job(job)), budget_s=budget_s, tell=tell) for job in sorted(jobs)]
    return any(tuning.winner is not None for tuning in found)
