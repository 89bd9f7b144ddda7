"""Differences of the answers between two releases, summed over machines as their scores are read one by one.

What is kept does not grow with the number of machines: one sum per ring, class, metric and set of questions.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from olivepress.fleet.machines import Machine

__all__ = ["AnswerSums"]


@dataclass
class AnswerSums:
    """(ring, class, metric, hash of the questions' ids) → sum over machines of new minus old score, and how many."""

    _sums: dict[tuple[str, str, str, str], tuple[np.ndarray, int]] = field(default_factory=dict)

    def add(self, machine: Machine, metric: str, ids: str, before: np.ndarray, after: np.ndarray) -> None:
        """Add what one machine answered to the same questions; an answer without a score counts as no difference."""
        key = (machine.ring, machine.device_class, metric, ids)
        difference = np.nan_to_num(after.astype(np.float64) - before)
        total, machines = self._sums.get(key, (np.zeros(len(difference)), 0))
        if len(total) == len(difference):
            self._sums[key] = (total + difference, machines + 1)

    def differences(self, metric: str, rings: Collection[str], device_class: str = "") -> np.ndarray | None:
        """Per question the mean difference over the machines of some rings, of one class where it is named.

        Of several sets of questions the one that most machines answered; None where no machine did.
        """
        by_ids = dict[str, list[tuple[np.ndarray, int]]]()
        for (ring, name, of, ids), entry in self._sums.items():
            if of == metric and ring in rings and device_class in ("", name):
                by_ids.setdefault(ids, []).append(entry)
        if not by_ids:
            return None
        ids = max(by_ids, key=lambda each: (sum(count for _, count in by_ids[each]), each))
        total = np.sum([differences for differences, _ in by_ids[ids]], axis=0)
        return np.asarray(total / sum(count for _, count in by_ids[ids]))
