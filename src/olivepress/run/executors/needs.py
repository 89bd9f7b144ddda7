"""What a job needs of a worker, what a worker has, and the words for what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pydantic import Field

from olivepress import __version__
from olivepress.core.errors import SetupError
from olivepress.core.yaml_document import Record

__all__ = ["Announcement", "Needs", "any_can", "check_needs", "missing", "with_preferred"]

_GB = 1e9


class Announcement(Record):
    """What a worker says of its machine. ``devices`` are those of the catalog with their number (``{"cuda": 2}``);
    ``labels`` are a person's own; ``slots`` are jobs at a time; reports of machines of one ``kind`` replace each other.
    Bytes."""

    version: str = Field(max_length=64)
    machine: str = Field(max_length=100)
    kind: str = Field("", max_length=200)
    slots: int = Field(ge=1, le=1024)
    memory_bytes: int = Field(ge=0)
    disk_bytes: int = Field(ge=0)
    environments: tuple[str, ...] = ()
    devices: dict[str, int] = Field({})
    labels: tuple[str, ...] = ()
    platform: str = ""

    @property
    def resources(self) -> dict[str, float]:
        """As Dask counts them: what can be used up by its amount, everything else once for each slot."""
        named = [_version_of(self.version), *map(_environment, self.environments), *map(_label, self.labels)]
        # Its own name is a label too.
        named.append(_label(self.machine))
        return {**_counted(self), **dict.fromkeys(named, float(self.slots))}


@dataclass(frozen=True, kw_only=True)
class Needs:
    """What a job needs: bytes, environments, devices by number, labels. ``prefers`` are devices that it is better off
    with and can do without: an export is then verified on its own device. ``slots`` are how many it takes of a worker:
    all, to have the machine for itself."""

    memory_bytes: int = 0
    disk_bytes: int = 0
    environments: tuple[str, ...] = ()
    devices: Mapping[str, int] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    prefers: tuple[str, ...] = ()
    slots: int = 1

    @property
    def resources(self) -> dict[str, float]:
        """What the job takes of a worker's resources while it runs."""
        named = [_version_of(__version__), *map(_environment, self.environments), *map(_label, self.labels)]
        taken = {name: amount for name, amount in _counted(self).items() if amount}
        return {**taken, **dict.fromkeys(named, float(self.slots))}


def _counted(of: Announcement | Needs) -> dict[str, float]:
    """What is used up by its amount."""
    amounts: dict[str, int] = {"memory": of.memory_bytes, "disk": of.disk_bytes, **of.devices}
    return {name: float(amount) for name, amount in amounts.items()}


def _version_of(version: str) -> str:
    return f"olivepress {version}"


def _environment(name: str) -> str:
    return f"environment {name}"


def _label(name: str) -> str:
    return f"label {name}"


def missing(needs: Needs, worker: Announcement) -> str:
    """The first thing that a worker lacks for a job, in words; "" when it has everything."""
    if worker.version != __version__:
        return f"olivepress {__version__} (it has {worker.version})"
    if worker.slots < needs.slots:
        return f"{needs.slots} slots"
    for name in needs.environments:
        if name not in worker.environments:
            return f"environment {name}"
    for name, count in needs.devices.items():
        if worker.devices.get(name, 0) < count:
            return f"{count} {name}" if count > 1 else name
    for label in needs.labels:
        if label not in worker.labels and label != worker.machine:
            return f"label {label}"
    for what, wanted, has in (
        ("memory", needs.memory_bytes, worker.memory_bytes),
        ("disk", needs.disk_bytes, worker.disk_bytes),
    ):
        if has < wanted:
            return f"{wanted / _GB:.1f} GB of {what} (it has {has / _GB:.1f})"
    return ""


def any_can(needs: Needs, workers: Iterable[Announcement]) -> bool:
    """Whether one of them has everything."""
    return any(not missing(needs, worker) for worker in workers)


def with_preferred(needs: Needs, workers: Iterable[Announcement]) -> Needs:
    """The needs with the devices that it prefers, as far as a worker has them as well as everything else."""
    known = list(workers)
    for device in needs.prefers:
        better = replace(needs, devices={**needs.devices, device: max(1, needs.devices.get(device, 0))})
        if any_can(better, known):
            needs = better
    return needs


def check_needs(job: str, needs: Needs, workers: Sequence[Announcement]) -> None:
    """SetupError, which names the job and what is missing, when no worker could ever run it."""
    if not workers:
        raise SetupError(f"{job}: the scheduler has no worker", next_step="olivepress worker --scheduler ADDRESS")
    lacks = [missing(needs, worker) for worker in workers]
    if "" in lacks:
        return
    each = "; ".join(f"{worker.machine} lacks {what}" for worker, what in list(zip(workers, lacks, strict=True))[:3])
    more = f"; and {len(workers) - 3} more" if len(workers) > 3 else ""
    raise SetupError(
        f"{job}: no worker can run it: {each}{more}",
        next_step="start a worker that has it, remove the job's target from the recipe, or --keep-going",
    )
