"""The kinds of workers that the jobs of a plan need: one for each environment and device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from olivepress.catalog import BUILD
from olivepress.run.executors.plan_needs import needs_of
from olivepress.workflow.estimate import need
from olivepress.workflow.plan import Plan

__all__ = ["Claims", "WorkerGroup", "claims_of", "groups_of"]

_GB = 1_000_000_000
_MEMORY_ROOM, _DISK_ROOM = 1.25, 2.0  # of what is estimated: a container that takes more is killed
_LEAST_MEMORY, _LEAST_DISK = 2 * _GB, 5 * _GB
_WORKER_MEMORY = 500_000_000  # of the worker's own process


@dataclass(frozen=True, kw_only=True)
class WorkerGroup:
    """Workers that are alike. ``device`` is one of the catalog, "" for the processor; ``jobs`` are those it is for."""

    environment: str
    device: str
    memory_bytes: int
    disk_bytes: int
    jobs: tuple[str, ...]

    @property
    def name(self) -> str:
        """As objects of Kubernetes may be called."""
        return "-".join(["worker", self.environment, *([self.device] if self.device else [])])


@dataclass(frozen=True, kw_only=True)
class Claims:
    """Bytes of what is kept: the project with its artifacts, and the store through which files travel."""

    project: int
    store: int


def groups_of(plans: Sequence[Plan]) -> list[WorkerGroup]:
    """In the order of their first job. Memory and disk are the largest of their jobs', with room."""
    wanted = dict[tuple[str, str], list[tuple[str, int, int]]]()
    for plan in plans:
        for job in plan.jobs:
            needs = needs_of(plan, job, labels={})
            device = next((name for name in (*needs.devices, *needs.prefers) if _takes(plan, name)), "")
            environment = next((name for name in needs.environments if name != BUILD), BUILD)
            entry = (f"{plan.recipe.name}/{job.id}", needs.memory_bytes, needs.disk_bytes)
            wanted.setdefault((environment, device), []).append(entry)
    return [
        WorkerGroup(
            environment=environment,
            device=device,
            memory_bytes=max(_LEAST_MEMORY, _WORKER_MEMORY + int(_MEMORY_ROOM * max(job[1] for job in jobs))),
            disk_bytes=max(_LEAST_DISK, int(_DISK_ROOM * max(job[2] for job in jobs))),
            jobs=tuple(job[0] for job in jobs),
        )
        for (environment, device), jobs in wanted.items()
    ]


def _takes(plan: Plan, device: str) -> bool:
    """Whether a worker with that device is rendered: of a GPU only where a target of the recipe is for it, as a
    fine-tune can do without."""
    return any(job.target is not None and job.target.file == device for job in plan.jobs)


def claims_of(plans: Sequence[Plan]) -> Claims:
    """What all jobs leave, twice: an artifact and its predecessor; the store has each file once, and results."""
    kept = sum(need(plan, job).kept_bytes for plan in plans for job in plan.jobs)
    return Claims(project=max(5 * _GB, 2 * kept), store=max(5 * _GB, 2 * kept))
