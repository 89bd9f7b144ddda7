"""What a run would do now on this machine with each job of a plan: nothing is built, fetched or written for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from olivepress.core.artifact import MANIFEST
from olivepress.core.errors import SetupError
from olivepress.models.admission import BaseModel
from olivepress.run.base_model import model_identity
from olivepress.run.choice import passed_over
from olivepress.run.finished import current
from olivepress.run.here import check_here, not_on_this_platform
from olivepress.run.interpreters import model_python
from olivepress.run.outcome import Reporter
from olivepress.run.verification import is_verified
from olivepress.workflow.lint import olive_installed
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.render import render_all

__all__ = ["Outlook", "OutlookState", "base_of_finished", "outlooks"]

OutlookState = Literal["kept", "verify", "run", "if needed", "not needed", "passed over", "cannot", "left out"]


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """``kept`` is finished, ``verify`` as well and would be checked again; ``run`` would be made now.

    Of the jobs of one choice, ``passed over`` failed its checks before, ``if needed`` is tried when the one before it
    fails them, ``not needed`` comes after one that is finished. ``cannot`` be made on this machine as it is: the
    ``reason``, and what to type; what no machine of this platform can make is ``left out``.
    """

    state: OutlookState
    reason: str = ""
    next_step: str | None = None

    @property
    def runs_olive(self) -> bool:
        """Whether the job's workflow may be run."""
        return self.state in ("run", "if needed", "cannot")


def base_of_finished(plan: Plan, reporter: Reporter | None = None) -> BaseModel | None:
    """The hashes of the base model, as far as it is here; None while no job of the plan has an artifact, which spares
    the reading of large weights."""
    artifacts = (plan.output_dir(job) / MANIFEST for job in plan.jobs)
    return model_identity(plan, reporter) if any(path.is_file() for path in artifacts) else None


def outlooks(plan: Plan, base: BaseModel | None, *, force: bool = False) -> dict[str, Outlook]:
    """Job → what a run would do with it; ``base`` as ``base_of_finished`` has it, ``force`` as in ``run_plan``."""
    states: dict[str, Outlook] = {}
    workflows = {workflow.job_id: workflow for workflow in render_all(plan)}
    for job in plan.jobs:
        state = _by_choice(plan, job, states)
        if state is None and base is not None:
            key, manifest = current(plan, job, workflows, base)
            if manifest is not None:
                state = Outlook(state="kept" if is_verified(plan, job, manifest) else "verify")
            elif key is not None and (before := passed_over(plan, job, key)) is not None:
                state = Outlook(state="passed over", reason=before.error.message if before.error else "")
        states[job.id] = state or _to_make(plan, job, states, force)
    return states


def _by_choice(plan: Plan, job: Job, states: Mapping[str, Outlook]) -> Outlook | None:
    """What follows from the earlier jobs of the same choice; None where nothing does."""
    if job.choice is None:
        return None
    earlier = [states[other.id].state for other in plan.jobs if other.choice == job.choice and other.id in states]
    if {"kept", "verify"} & set(earlier):
        return Outlook(state="not needed")
    return Outlook(state="if needed") if "run" in earlier else None


def _to_make(plan: Plan, job: Job, states: Mapping[str, Outlook], force: bool) -> Outlook:
    platform = not_on_this_platform(job)
    if platform is not None:
        return _cannot(platform, "left out")
    if not olive_installed():
        return _cannot(SetupError("Olive is not installed", next_step="pip install 'olivepress[build]'"))
    try:
        model_python(plan)
    except SetupError as error:
        return _cannot(error)
    if job.parent is not None and states[job.parent].state == "cannot":
        return Outlook(state="cannot", reason=f"{job.parent}, which it is made from, cannot be made here")
    try:
        check_here(plan, job, force=force)
    except SetupError as error:
        return _cannot(error)
    return Outlook(state="run")


def _cannot(error: SetupError, state: OutlookState = "cannot") -> Outlook:
    return Outlook(state=state, reason=error.message, next_step=error.next_step)
