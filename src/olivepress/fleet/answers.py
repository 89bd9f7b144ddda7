"""What most machines say of each question from one release to the next, counted as their answers are read one by one.

Machines that run the same artifact on the same questions give much the same answers. So questions are counted and not
machines, and of the machines the median of each question is taken: neither one that lies nor a few that broke meanwhile
move it. What is kept does not grow with the number of machines: counts per ring, class, metric and set of questions.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

import numpy as np

from olivepress.fleet.machines import Machine
from olivepress.report.registry import METRICS, gated

__all__ = ["AnswerCounts", "QuestionChange", "answers_metrics"]


def answers_metrics() -> list[str]:
    """The metrics of a gate that are right or wrong question by question."""
    return [name for name in gated() if METRICS[name].judge == "share"]


@dataclass(frozen=True, kw_only=True)
class QuestionChange:
    """``changes``: per question 1 where most of ``machines`` are right that were wrong before, -1 where most are wrong
    that were right, else 0: the median over the machines."""

    changes: np.ndarray
    machines: int


@dataclass
class _Counts:
    """Of machines that answered the same questions: how many became right and wrong, per question."""

    right: np.ndarray
    wrong: np.ndarray
    machines: int = 0


@dataclass
class AnswerCounts:
    """metric → (ring, class) → hash of the questions' ids → what has been counted."""

    _counts: defaultdict[str, dict[tuple[str, str], dict[str, _Counts]]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def add(self, machine: Machine, metric: str, ids: str, before: np.ndarray, after: np.ndarray) -> None:
        """Add what one machine answered to the same questions; an answer without a score counts as no change."""
        place = (machine.ring, machine.device_class)
        same = self._counts[metric].setdefault(place, {})
        if ids not in same:
            right, wrong = np.zeros((2, len(after)), dtype=np.int64)
            same[ids] = _Counts(right=right, wrong=wrong)
        counts = same[ids]
        if len(counts.right) == len(after):
            counts.right += after > before
            counts.wrong += after < before
            counts.machines += 1

    def changes(self, metric: str, rings: Collection[str], device_class: str = "") -> QuestionChange | None:
        """Over the machines of some rings, of one class where it is named; of several sets of questions the one that
        most machines answered. None where no machine did."""
        by_ids = defaultdict[str, list[_Counts]](list)
        for same in self._of(metric, rings, device_class):
            for ids, counts in same.items():
                by_ids[ids].append(counts)
        if not by_ids:
            return None
        ids = max(by_ids, key=lambda each: (sum(counts.machines for counts in by_ids[each]), each))
        machines = sum(counts.machines for counts in by_ids[ids])
        right, wrong = sum(each.right for each in by_ids[ids]), sum(each.wrong for each in by_ids[ids])
        changes = (2 * np.asarray(right) > machines).astype(np.float64) - (2 * np.asarray(wrong) > machines)
        return QuestionChange(changes=changes, machines=machines)

    def _of(self, metric: str, rings: Collection[str], device_class: str) -> Iterator[dict[str, _Counts]]:
        places = self._counts[metric]
        if device_class:
            yield from (places[ring, device_class] for ring in rings if (ring, device_class) in places)
        else:
            yield from (same for (ring, _), same in places.items() if ring in rings)
