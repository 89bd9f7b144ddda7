"""What jobs took beside what was estimated, and by how much the estimates were wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from olivepress.core.artifact import Resources
from olivepress.run.outcome import JobOutcome
from olivepress.workflow.estimate import Need, need, total
from olivepress.workflow.plan import Plan

__all__ = ["EstimateError", "JobCost", "estimate_error", "job_costs", "measured_total"]


@dataclass(frozen=True, kw_only=True)
class JobCost:
    """A job that has a result. ``ran`` now, or what it took when it ran; ``recipe`` tells members of a plan apart."""

    recipe: str
    job: str
    estimated: Need
    measured: Resources
    ran: bool


@dataclass(frozen=True, kw_only=True)
class EstimateError:
    """estimated / measured - 1: of the time of all jobs together, and of the job where it is furthest from 0, by name;
    of memory of that job. None where nothing was measured."""

    jobs: int
    seconds: float
    worst_seconds: tuple[str, float]
    worst_memory: tuple[str, float] | None


def job_costs(outcomes: Sequence[tuple[Plan, JobOutcome]]) -> list[JobCost]:
    """Of every job that has an artifact, in their order."""
    return [
        JobCost(
            recipe=plan.recipe.name,
            job=done.job,
            estimated=need(plan, plan.job(done.job)),
            measured=done.manifest.resources,
            ran=done.state == "done",
        )
        for plan, done in outcomes
        if done.manifest is not None
    ]


def measured_total(jobs: Sequence[Resources]) -> Resources:
    """The sum of the time, the most of memory and disk."""
    return Resources(
        seconds=round(sum(job.seconds for job in jobs), 1),
        peak_memory_bytes=_most([job.peak_memory_bytes for job in jobs]),
        peak_disk_bytes=_most([job.peak_disk_bytes for job in jobs]),
    )


def _most(values: Sequence[int | None]) -> int | None:
    return max((value for value in values if value is not None), default=None)


def estimate_error(costs: Sequence[JobCost]) -> EstimateError | None:
    """Of the jobs that ran now: what others took was measured at another time, perhaps on another machine.

    None when none ran.
    """
    ran = [cost for cost in costs if cost.ran and cost.measured.seconds > 0]
    if not ran:
        return None
    estimated = total({str(number): cost.estimated for number, cost in enumerate(ran)}).seconds
    seconds = _worst(ran, lambda cost: cost.estimated.seconds / cost.measured.seconds - 1)
    assert seconds is not None
    return EstimateError(
        jobs=len(ran),
        seconds=estimated / sum(cost.measured.seconds for cost in ran) - 1,
        worst_seconds=seconds,
        worst_memory=_worst(ran, _memory_error),
    )


def _memory_error(cost: JobCost) -> float | None:
    measured = cost.measured.peak_memory_bytes
    return cost.estimated.memory_bytes / measured - 1 if measured else None


def _worst(costs: Sequence[JobCost], error: Callable[[JobCost], float | None]) -> tuple[str, float] | None:
    """The job whose estimate is wrong by the largest factor."""
    errors = [(cost.job, value) for cost in costs if (value := error(cost)) is not None]
    return max(errors, key=lambda pair: max(1 + pair[1], 1 / max(1 + pair[1], 1e-9)), default=None)
