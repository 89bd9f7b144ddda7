"""What each machine measured, before and now: the record that classes and rings are made of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from olivepress.fleet.machines import Machine
from olivepress.fleet.verify import Reported

__all__ = ["Measured", "by_class"]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What one machine measured of the release that it had before and of the present one; None where it has not
    reported."""

    machine: Machine
    before: Reported | None
    after: Reported | None

    @property
    def is_pair(self) -> bool:
        return self.before is not None and self.after is not None


def by_class(measured: Iterable[Measured]) -> dict[str, list[Measured]]:
    """Class → its machines, in the order of the classes' names."""
    classes = dict[str, list[Measured]]()
    for each in measured:
        classes.setdefault(each.machine.device_class, []).append(each)
    return dict(sorted(classes.items()))
