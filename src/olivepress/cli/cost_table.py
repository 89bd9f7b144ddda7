"""What jobs take, as a table of 80 columns: estimated before a run, and next to what was measured after it."""

from __future__ import annotations

import textwrap
from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING

from olivepress.workflow.estimate import need, needs, total
from olivepress.workflow.plan import first_of_each_choice

if TYPE_CHECKING:
    from olivepress.run import JobOutcome
    from olivepress.workflow.plan import Job, Plan

__all__ = ["duration", "measured_lines", "plan_lines"]

_WIDTH = 80


def duration(seconds: float) -> str:
    """Seconds in the unit that a person counts in, to about two digits."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    for limit, unit, size in ((5400.0, "min", 60.0), (172_800.0, "h", 3600.0)):
        if seconds < limit:
            count = seconds / size
            return f"{count:.0f} {unit}" if count >= 10 else f"{count:.1f} {unit}"
    return f"{seconds / 86_400:.1f} days"


def _size(size: int | None) -> str:
    return "-" if size is None else f"{size / 1e9:.1f} GB"


def plan_lines(plan: Plan) -> Iterator[str]:
    """A head, a line for each job, and the total: the most of memory and disk, the sum of the time. Jobs that are
    only tried when a smaller target of their device fails its checks are not in the total."""
    width = max(len("total"), *(len(job.id) for job in plan.jobs)) + 2
    head = f"{'job':<{width}}{'memory':>8}{'disk':>10}{'time':>10}  "
    yield f"{head}runs on"
    wanted = needs(plan)
    certain = {job.id: wanted[job.id] for job in first_of_each_choice(plan.jobs)}
    rows = [(job.id, wanted[job.id], _where(job, certain)) for job in plan.jobs]
    for name, takes, where in [*rows, ("total", total(certain), "")]:
        sizes = f"{_size(takes.memory_bytes):>8}{_size(takes.disk_bytes):>10}"
        line = f"{name:<{width}}{sizes}{duration(takes.seconds):>10}  "
        yield (line + textwrap.shorten(where, max(_WIDTH - len(head), 12), placeholder=" …")).rstrip()


def _where(job: Job, certain: Container[str]) -> str:
    where = job.target.description if job.target else "this machine"
    return where if job.id in certain else f"if needed: {where}"


def measured_lines(outcomes: Sequence[tuple[Plan, JobOutcome]]) -> Iterator[str]:
    """A head, a line for each job that has a result, with what it took and the estimate; and the total time.

    For a kept job, what it took when it ran. Nothing when no job has a result.
    """
    several = len({plan.recipe.name for plan, _ in outcomes}) > 1
    jobs = [
        (
            f"{plan.recipe.name}/{done.job}" if several else done.job,
            need(plan, plan.job(done.job)),
            done.manifest.resources,
        )
        for plan, done in outcomes
        if done.manifest
    ]
    if not jobs:
        return
    width = max(len("total"), *(len(name) for name, _, _ in jobs)) + 2
    yield f"{'job':<{width}}{'time':>8}{'estimated':>11}{'memory':>10}{'estimated':>11}"
    for name, wanted, took in jobs:
        times = f"{duration(took.seconds):>8}{duration(wanted.seconds):>11}"
        yield f"{name:<{width}}{times}{_size(took.peak_memory_bytes):>10}{_size(wanted.memory_bytes):>11}"
    spent, expected = sum(took.seconds for _, _, took in jobs), sum(wanted.seconds for _, wanted, _ in jobs)
    yield f"{'total':<{width}}{duration(spent):>8}{duration(expected):>11}"
