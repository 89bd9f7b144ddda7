"""What jobs take, as tables: estimated before a run with what this machine will do, and measured after it.

On a terminal that is narrower than a table, each job has lines of its own.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from olivepress.core.pace import duration
from olivepress.run.costs import JobCost, estimate_error, job_costs, measured_total
from olivepress.workflow.estimate import Need, needs, total
from olivepress.workflow.plan import first_of_each_choice

if TYPE_CHECKING:
    from olivepress.run import JobOutcome, Outlook
    from olivepress.workflow.plan import Plan

__all__ = ["measured_lines", "plan_lines", "size_text"]

_WIDTH = 80
_STATES = {"run": "runs", "verify": "checked again", "cannot": "cannot run"}


def size_text(size: int | None) -> str:
    """Bytes as gigabytes, few as megabytes."""
    if size is None:
        return "-"
    return f"{size / 1e9:.1f} GB" if size >= 1e8 else f"{size / 1e6:.0f} MB"


def plan_lines(plan: Plan, states: Mapping[str, Outlook]) -> Iterator[str]:
    """A head, a line for each job with what this machine will do, and the total: the most of memory and disk, the sum
    of the time. Jobs that are only tried when a smaller target of their device fails its checks are not in the total.
    """
    wanted = needs(plan)
    certain = {job.id: wanted[job.id] for job in first_of_each_choice(plan.jobs)}
    rows = [(job.id, *_need_cells(wanted[job.id]), _state(states[job.id])) for job in plan.jobs]
    yield from _table(("job", "memory", "disk", "time", "here"), [*rows, ("total", *_need_cells(total(certain)), "")])


def _state(outlook: Outlook) -> str:
    return _STATES.get(outlook.state, outlook.state)


def _need_cells(wanted: Need) -> tuple[str, str, str]:
    return size_text(wanted.memory_bytes), size_text(wanted.disk_bytes), duration(wanted.seconds)


def measured_lines(outcomes: Sequence[tuple[Plan, JobOutcome]]) -> Iterator[str]:
    """A head, a line for each job that has a result, with what it took and the estimate, the total, and by how much
    the estimates of the jobs that ran were wrong.

    For a kept job, what it took when it ran. Nothing when no job has a result, and no estimates when none ran now.
    """
    results = [(plan, done, done.manifest) for plan, done in outcomes if done.manifest]
    if not results:
        return
    several = len({plan.recipe.name for plan, _, _ in results}) > 1
    names = [f"{plan.recipe.name}/{done.job}" if several else done.job for plan, done, _ in results]
    took = [manifest.resources for _, _, manifest in results]
    measured = [*took, measured_total(took)]
    cells = [(duration(each.seconds), size_text(each.peak_memory_bytes)) for each in measured]
    if not any(done.state == "done" for _, done, _ in results):
        yield from _table(("job", "time", "memory"), _rows([*names, "total"], cells))
        return
    costs = job_costs(outcomes)
    expected = total({str(number): cost.estimated for number, cost in enumerate(costs)})
    estimates = [
        (duration(each.seconds), size_text(each.memory_bytes))
        for each in [*(cost.estimated for cost in costs), expected]
    ]
    both = [(time, of_time, size, of_size) for (time, size), (of_time, of_size) in zip(cells, estimates, strict=True)]
    yield from _table(("job", "time", "estimated", "memory", "estimated"), _rows([*names, "total"], both))
    if (text := _error_text(costs)) is not None:
        yield text


def _rows(names: Sequence[str], cells: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    return [(name, *row) for name, row in zip(names, cells, strict=True)]


def _error_text(costs: Sequence[JobCost]) -> str | None:
    error = estimate_error(costs)
    if error is None:
        return None
    jobs = "the job that ran" if error.jobs == 1 else f"the {error.jobs} jobs that ran"
    parts = [f"time {_difference(error.seconds)}"]
    if error.jobs > 1:
        parts.append(f"at worst {_difference(error.worst_seconds[1])} ({error.worst_seconds[0]})")
    if error.worst_memory is not None:
        parts.append(f"memory at worst {_difference(error.worst_memory[1])} ({error.worst_memory[0]})")
    return f"estimates of {jobs}: {', '.join(parts)}"


def _difference(error: float) -> str:
    """``12 % too low``."""
    percent = round(100 * abs(error))
    if percent == 0:
        return "right"
    return f"{percent} % too {'high' if error > 0 else 'low'}"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Columns of numbers, right-aligned between the names and the last words; narrower, the figures below each name."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    words = head[-1] == "here"
    width = sum(widths) + 3 * (len(widths) - 1)
    if width > _terminal_width():
        yield from _stacked(head, rows)
        return
    for row in (head, *rows):
        cells = [row[0].ljust(widths[0])]
        for number, cell in enumerate(row[1:], 1):
            last = words and number == len(row) - 1
            cells.append(cell if last else cell.rjust(widths[number]))
        yield "   ".join(cells).rstrip()


def _stacked(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    for name, *cells in rows:
        yield name
        for key, cell in zip(head[1:], cells, strict=True):
            if cell:
                yield f"  {key} {cell}"


def _terminal_width() -> int:
    return shutil.get_terminal_size((_WIDTH, 24)).columns if sys.stdout.isatty() else _WIDTH
