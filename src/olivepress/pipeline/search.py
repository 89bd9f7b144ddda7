"""``olivepress search artifact``: a fixed grid of ways to quantize, built from one merged model and measured together.

The grid is data (``catalog/grid``). What is searched is an ordinary plan with more exports, so that the fine-tune and
the merge are shared with the recipe, what is finished is kept, and the page is the one that every comparison makes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olivepress.catalog import Target, grid
from olivepress.catalog.groups import with_group_sizes
from olivepress.core.errors import JobError, OlivepressError, UsageError
from olivepress.measure.tuning.record import read_tuning
from olivepress.pipeline import verbs as pipeline
from olivepress.pipeline.device_reports import Overrides, bench_plan, not_measured_here, report_paths
from olivepress.pipeline.tune import tune
from olivepress.report.machine import fingerprint
from olivepress.run.interpreters import place_of
from olivepress.workflow.plan import Job, Plan

if TYPE_CHECKING:
    from olivepress.compare.document import Document
    from olivepress.run import Reporter

__all__ = ["grid_plan", "search"]

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
    family, config = plan.model.family, plan.model.facts.config
    points = list[Target]()
    for point in (point for point in grid().values() if point.execution_provider in devices):
        possible = family.why_not(config, f"{point.device}-{point.precision}") is None
        if possible and place_of(point).how == "native" and not any(_same(point, t, config) for t in (*own, *points)):
            points.append(point)
    if not points:
        known = ", ".join(dict.fromkeys(point.execution_provider for point in grid().values()))
        raise UsageError(
            f"recipe {plan.recipe.name}: the grid has nothing for its targets on this machine; it is for {known}",
            next_step="add cpu-int4 to the recipe's targets",
        )
    jobs = (Job(id=f"export-{point.target}", kind="export", parent="merge", target=point) for point in points)
    return replace(plan, jobs=(*plan.jobs, *jobs))


def _same(a: Target, b: Target, config: Mapping[str, Any]) -> bool:
    """Whether two targets make the same artifact of a model with this config.json."""
    passes = (with_group_sizes(target.passes, config) for target in (a, b))
    return a.execution_provider == b.execution_provider and next(passes) == next(passes)


def search(
    plan: Plan, *, overrides: Overrides, budget_s: float, reporter: Reporter, tell: Tell, tell_tuning: Tell
) -> tuple[Document, dict[str, Path], Sequence[str]]:
    """Build every point, search its session for ``budget_s`` (0: not at all), measure all in one sitting and compare
    them under the recipe's budget. What is built, or tuned on this machine, stays so: a killed search goes on.

    Returns the comparison, its page's files in ``runs/<recipe>/search/``, and what could not be built or tuned with the
    reason. Raises JobError when no point could be built, else what ``pipeline.run`` and ``bench_plan`` raise.
    """
    made = grid_plan(plan)
    outcomes: list[Any] = pipeline.run(made, reporter=reporter, keep_going=True)
    failed = {outcome.job: str(outcome.error) for _, outcome in outcomes if outcome.manifest is None}
    built = replace(made, jobs=tuple(job for job in made.jobs if job.id not in failed))
    if not any(job.kind == "export" for job in built.jobs):
        name, why = next(iter(failed.items()))
        raise JobError(f"nothing could be built, first {name}: {why}")
    said = [f"not built: {name}: {why}" for name, why in failed.items()]
    if budget_s:
        said += _tune_all(built, budget_s, tell_tuning)
    bench_plan(built, overrides=overrides, tell=tell)
    document, files = pipeline.report(built, report_paths(built), folder="search")
    return document, files, said


def _tune_all(plan: Plan, budget_s: float, tell: Tell) -> list[str]:
    """Tune every export that has a session and no record of this machine; what could not be tuned, with the reason."""
    said, here, elsewhere = [], fingerprint().id, not_measured_here(plan)
    for job in plan.jobs:
        if job.target is None or job.target.runtime != "onnxruntime-genai" or job.id in elsewhere:
            continue
        held = read_tuning(plan.output_dir(job))
        if held is not None and held.machine.id == here:
            continue
        try:
            tune(plan.output_dir(job), budget_s=budget_s, tell=tell)
        except OlivepressError as error:
            said.append(f"not tuned: {job.id}: {error}")
    return said
