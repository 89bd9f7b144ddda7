"""How long something that is counted will still take, by how long it took so far."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Clock", "Pace", "duration"]

Clock = Callable[[], float]  # seconds of a clock that never goes back


def duration(seconds: float) -> str:
    """Seconds in the unit that a person counts in, to about two digits."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    for limit, unit, size in ((5400.0, "min", 60.0), (172_800.0, "h", 3600.0)):
        if seconds < limit:
            count = seconds / size
            return f"{count:.0f} {unit}" if count >= 10 else f"{count:.1f} {unit}"
    return f"{seconds / 86_400:.1f} days"


class Pace:
    """The reports of some work (``done`` of ``total``) and the time that each came.

    What was done before the first report, as by an attempt that was interrupted, says nothing about the pace.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self.began = clock()
        self.first: tuple[float, int] | None = None
        self._last = (self.began, 0)
        self._total = 0

    def report(self, done: int, total: int) -> None:
        """``done`` of ``total``; a count that begins anew is other work, with a pace of its own."""
        at = (self._clock(), done)
        if self.first is None or done < self._last[1] or total != self._total:
            self.first = at
        self._last, self._total = at, total

    @property
    def end(self) -> float | None:
        """When all is done, by the clock; None while nothing is known."""
        if self.first is None or self._last[1] <= self.first[1] or self._total <= 0:
            return None
        each = (self._last[0] - self.first[0]) / (self._last[1] - self.first[1])
        return self._last[0] + each * (self._total - self._last[1])

    @property
    def left(self) -> float | None:
        """Seconds until then."""
        return None if self.end is None else max(0.0, self.end - self._clock())
