"""How long a run will still take: the estimates of its jobs, corrected by what the finished ones took."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from olivepress.core.pace import Clock, Pace
from olivepress.run.outlook import Outlook
from olivepress.workflow.estimate import need
from olivepress.workflow.plan import Plan

__all__ = ["Forecast", "expected_seconds"]

_MOST_CORRECTION = 4.0
# After its last step a fine-tune is written and checked: about half of what Olive took until the first one.
_AFTER_STEPS = 0.5


def expected_seconds(plan: Plan, states: Mapping[str, Outlook]) -> list[float]:
    """Of the jobs of a plan that have a state, in their order: 0 for those that are not expected to run."""
    return [
        need(plan, job).seconds if states[job.id].state in ("run", "verify") else 0.0
        for job in plan.jobs
        if job.id in states
    ]


class Forecast:
    """``expected``: the estimated seconds of all jobs of a run in their order, 0 for those that will not run.

    Called when a job starts, reports a step, and ends.
    """

    def __init__(self, expected: Sequence[float], clock: Clock = time.monotonic) -> None:
        self._expected, self._clock = list(expected), clock
        self._began = clock()
        self._steps: Pace | None = None
        self._measured = self._estimated = 0.0
        self.number = 0
        self.running = False

    @property
    def count(self) -> int:
        """Jobs of the run."""
        return len(self._expected)

    @property
    def expected(self) -> float:
        """Seconds of the running job, as finished ones say; 0 for one that was not expected to run."""
        return self._of(self.number - 1) * self._correction

    def job_started(self) -> None:
        self.number += 1
        self.running = True
        self._began, self._steps = self._clock(), None

    def step(self, done: int, total: int) -> None:
        """A step of the running job, of those that its time depends on."""
        if self._steps is None:
            self._steps = Pace(self._clock)
        self._steps.report(done, total)

    def job_ended(self) -> None:
        """What it took corrects the estimates of the others."""
        self.running = False
        estimated = self._of(self.number - 1)
        if estimated > 0.0:
            self._estimated += estimated
            self._measured += self._clock() - self._began

    @property
    def job_left(self) -> float | None:
        """Seconds of the running job; 0 when it takes longer than expected, None when nothing is known of it."""
        end = self._end
        return None if end is None else max(0.0, end - self._clock())

    @property
    def left(self) -> float:
        """Seconds of the whole run, the running job included."""
        later = sum(self._expected[self.number :]) * self._correction
        return later + ((self.job_left or 0.0) if self.running else 0.0)

    @property
    def _end(self) -> float | None:
        """When the running job ends, by the clock."""
        if self._steps is not None and self._steps.end is not None and self._steps.first is not None:
            return self._steps.end + _AFTER_STEPS * (self._steps.first[0] - self._began)
        return self._began + self.expected if self.expected > 0.0 else None

    def _of(self, index: int) -> float:
        return self._expected[index] if 0 <= index < len(self._expected) else 0.0

    @property
    def _correction(self) -> float:
        if self._estimated <= 0.0:
            return 1.0
        return min(max(self._measured / self._estimated, 1.0 / _MOST_CORRECTION), _MOST_CORRECTION)
