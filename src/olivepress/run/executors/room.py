"""Whether a worker is free for one more job: pure.

A job that is submitted while all workers are busy stays with the worker that the scheduler gives it to, even when
another one joins or is free earlier. So none is submitted before there is room for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

__all__ = ["has_room"]

Resources = Mapping[str, float]


def has_room(workers: Sequence[Resources], running: Iterable[Resources], wanted: Resources) -> bool:
    """Whether ``wanted`` fits beside what runs, each placed where the fewest kinds of resources are left unused: a job
    of a processor is not counted on a machine with a GPU while another one is free."""
    free = sorted((dict(worker) for worker in workers), key=len)
    for taken in running:
        _take(free, taken)  # one that fits nowhere is placed by what is not known here
    return _take(free, wanted)


def _take(free: Sequence[dict[str, float]], wanted: Resources) -> bool:
    for worker in free:
        if all(worker.get(name, 0.0) >= amount for name, amount in wanted.items()):
            for name, amount in wanted.items():
                worker[name] -= amount
            return True
    return False
