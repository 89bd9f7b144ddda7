"""Which target of a device: the first, in the catalog's order, whose artifact passes its checks."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from olivepress.core.errors import JobError
from olivepress.core.layout import journal
from olivepress.run.journal import append, events
from olivepress.run.outcome import JobOutcome
from olivepress.workflow.plan import Job, Plan

__all__ = ["is_settled", "pass_over", "passed_over"]


def is_settled(outcomes: Sequence[JobOutcome], plan: Plan, job: Job) -> bool:
    """Whether an artifact was taken for the choice of ``job`` already."""
    taken = {plan.job(outcome.job).choice for outcome in outcomes if outcome.manifest is not None}
    return job.choice is not None and job.choice in taken


def pass_over(plan: Plan, job: Job, key: str, error: JobError) -> None:
    """Keep in the journal that the artifact of ``job`` failed its checks: the next run does not make it again."""
    reason = str(error).split("\n")[0]
    append(journal(plan.recipe.name), "passed over", job.id, key, limits=_limits(plan, job), reason=reason)


def passed_over(plan: Plan, job: Job, key: str) -> JobOutcome | None:
    """The outcome that the journal has for ``job`` under the same key and limits; None when it has to be tried."""
    if job.choice is None:
        return None
    last = next((event for event in reversed(events(journal(plan.recipe.name))) if event["job"] == job.id), None)
    if last is None or last["event"] != "passed over" or last["key"] != key or last.get("limits") != _limits(plan, job):
        return None
    error = JobError(str(last.get("reason", "")))
    return JobOutcome(job=job.id, state="passed over", error=error)


def _limits(plan: Plan, job: Job) -> str:
    """A hash of what sets the limits of an export: with other limits it is tried again."""
    target = job.target.model_dump_json() if job.target else ""
    return hashlib.sha256(f"{plan.recipe.limits.model_dump_json()}\n{target}".encode()).hexdigest()[:12]
