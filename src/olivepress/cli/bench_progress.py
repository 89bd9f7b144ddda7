"""Progress of a bench: model k of n, and how long the others will take."""

from __future__ import annotations

import time
from collections.abc import Sequence

from olivepress.cli.console import ConsoleReporter, stage_title
from olivepress.core.pace import Clock, duration

__all__ = ["BenchProgress"]

# What is done for all models before the first of them is asked anything.
_TOGETHER = ("lm-eval tasks", "placement", "ceiling", "latency")


class BenchProgress:
    """Called as ``JobProgress``, once with the names of the models before it: one line for each stage of each model.

    What the models so far took, after the latency of all of them, is what each other one is expected to take.
    """

    def __init__(self, reporter: ConsoleReporter, clock: Clock = time.monotonic) -> None:
        self._reporter, self._clock = reporter, clock
        self._names: tuple[str, ...] = ()
        self._begun: dict[str, float] = {}  # model → when its own stages began
        self._shown = ""
        reporter.whole_text = self.text

    def models(self, names: Sequence[str]) -> None:
        """The models that will be measured together, in this order."""
        self._names, self._begun = tuple(names), {}

    def __call__(self, job: str, stage: str, done: int, total: int) -> None:
        title = stage_title("measure", stage, job)
        if stage not in _TOGETHER and job in self._names:
            self._begun.setdefault(job, self._clock())
            title = f"[{self._names.index(job) + 1}/{len(self._names)}] {title}"
        if title != self._shown:
            self._reporter.begin(title)
            self._shown = title
        self._reporter.update(f"{done} of {total}" if total > 1 else "", done, total)

    @property
    def left(self) -> float | None:
        """Seconds until all models are measured; None before the first one is."""
        began = list(self._begun.values())
        if len(began) < 2:
            return None
        each = (began[-1] - began[0]) / (len(began) - 1)
        running = max(0.0, each - (self._clock() - began[-1]))
        return running + each * max(0, len(self._names) - len(began))

    def text(self) -> str:
        """What is left, in words; "" while that is not known."""
        return "" if self.left is None else f"whole bench: about {duration(self.left)} left"
