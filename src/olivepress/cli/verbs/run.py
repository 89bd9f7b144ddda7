"""``olivepress run``.

Annotations are evaluated here: ``takes`` reads the options of records.
"""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from olivepress.cli.cluster_options import ClusterChoice, cluster_choice
from olivepress.cli.console import ConsoleReporter
from olivepress.cli.options import DataOption, JsonOption, ModelsArgument, QuietOption, TrustTargets, takes
from olivepress.cli.outcome_text import checkpoint_lines, verdict_lines
from olivepress.cli.plans import load_plan, need_record

if TYPE_CHECKING:
    from collections.abc import Sequence

    from olivepress.run import JobOutcome
    from olivepress.workflow.plan import Plan

__all__ = ["outcome_record", "run", "run_record"]


@takes(cluster=cluster_choice)
def run(
    model: ModelsArgument,
    cluster: ClusterChoice,
    data: DataOption = None,
    job: Annotated[str | None, typer.Option("--job", help="Run this job only.")] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Start even if memory or disk are estimated to be too small.")
    ] = False,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Start even if an export's environment is not installed.")
    ] = False,
    trust_targets: TrustTargets = False,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run the jobs that are not finished: fine-tune, merge, export, verify.

    Safe to interrupt; rerun to resume. Several recipes run together on the workers of a scheduler.
    """
    from olivepress.cli.cluster import cluster_of
    from olivepress.cli.cost_table import measured_lines
    from olivepress.core.messages import next_command
    from olivepress.pipeline.run import raise_failed, run_together
    from olivepress.pipeline.run import run as run_jobs

    _check_together(model, cluster, data=data, job=job)
    plans = [load_plan(each, data, trust_targets) for each in model]
    with (
        ConsoleReporter(quiet=quiet or as_json) as reporter,
        cluster_of(cluster, reporter, trust=trust_targets, force=force, keep_going=keep_going) as workers,
    ):
        if len(plans) > 1 and workers is not None:
            outcomes = run_together(plans, workers, reporter=reporter)
        else:
            outcomes = run_jobs(
                plans[0], reporter=reporter, only=job, force=force, keep_going=keep_going, cluster=workers
            )
    if as_json:
        print(json.dumps(run_record(outcomes), indent=2))
    else:
        for each, outcome in outcomes:
            _print_outcome(each, outcome)
        for line in measured_lines(outcomes):
            print(line)
    raise_failed(outcomes)
    if not as_json and job is None:
        for name in model:
            print(f"next: {next_command('bench', name, data)}")


def _check_together(models: "Sequence[str]", cluster: ClusterChoice, *, data: str | None, job: str | None) -> None:
    """UsageError for what is of one recipe alone."""
    from olivepress.core.errors import UsageError

    if len(models) == 1:
        return
    if cluster.engine == "local":
        raise UsageError(
            f"{len(models)} recipes were given: they run together with --engine dask, and one by one here",
            next_step=f"olivepress run {models[0]}, then the next",
        )
    for option, value in (("--data", data), ("--job", job)):
        if value is not None:
            raise UsageError(f"{option} is for one recipe, not {len(models)}", next_step="leave it out")


def _print_outcome(plan: "Plan", outcome: "JobOutcome") -> None:
    text: str = outcome.state
    if outcome.manifest:
        text += f", sha256 {outcome.manifest.sha256[:12]}"
    if outcome.error:
        text += f": {outcome.error}"
    print(f"{plan.output_dir(plan.job(outcome.job))}: {text}")
    for line in (*checkpoint_lines(outcome), *verdict_lines(outcome)):
        print(f"  {line}")


def run_record(outcomes: "Sequence[tuple[Plan, JobOutcome]]") -> dict[str, Any]:
    """Every job, what all of them took and were estimated to take, and by how much the estimates of those that ran now
    were wrong: estimated / measured - 1."""
    from olivepress.run.costs import estimate_error, job_costs, measured_total
    from olivepress.workflow.estimate import total

    costs = job_costs(outcomes)
    error = estimate_error(costs)
    estimated = total({str(number): cost.estimated for number, cost in enumerate(costs)}) if costs else None
    return {
        "jobs": [outcome_record(plan, outcome) for plan, outcome in outcomes],
        "total": {
            "estimated": need_record(estimated) if estimated else None,
            "resources": measured_total([cost.measured for cost in costs]).model_dump(mode="json"),
        },
        "estimate_error": asdict(error) if error else None,
    }


def outcome_record(plan: "Plan", outcome: "JobOutcome") -> dict[str, Any]:
    """What became of a job: its state, estimate, checks and manifest."""
    from olivepress.workflow.estimate import need

    manifest = (
        outcome.manifest.model_dump(mode="json")
        if outcome.manifest
        else {"recipe": plan.recipe.name, "job": outcome.job}
    )
    return {
        "state": outcome.state,
        "error": str(outcome.error) if outcome.error else None,
        "estimated": need_record(need(plan, plan.job(outcome.job))),
        "checks": [check.model_dump(mode="json") for check in outcome.checks],
        **manifest,
        **({"tokenizer": asdict(outcome.tokenizer)} if outcome.tokenizer else {}),
    }
