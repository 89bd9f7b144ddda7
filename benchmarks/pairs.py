"""Accuracy and paired differences of answers to the same rows, for the benchmarks that count right answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from olivepress.stats.intervals import cluster_mean, paired_difference, wilson

__all__ = ["Outcomes", "counts", "difference", "share"]

Outcomes = Mapping[str, bool]  # test row → whether it was answered rightly


def share(outcomes: Outcomes) -> dict[str, Any]:
    """Accuracy with its Wilson interval."""
    right, n = sum(outcomes.values()), len(outcomes)
    return {"accuracy": right / n, "n": n, "interval": wilson(right, n)}


def counts(pairs: Sequence[tuple[Outcomes, Outcomes]]) -> tuple[int, int, int, int]:
    """Answers that both, only the first, only the second, neither had right, over all pairs."""
    found = [0, 0, 0, 0]
    for first, second in pairs:
        assert first.keys() == second.keys()
        for row, was in first.items():
            found[(0 if was else 2) + (0 if second[row] else 1)] += 1
    return found[0], found[1], found[2], found[3]


def difference(pairs: Sequence[tuple[Outcomes, Outcomes]]) -> dict[str, Any]:
    """Of two subjects' accuracy over the same rows (second - first), one pair a seed.

    The interval of one seed is Newcombe's for paired shares. Of several it is a bootstrap over rows, as the seeds
    answer the same ones, widened to Newcombe's over all pairs: the bootstrap has no width where all agree.
    """
    both, lost, won, neither = counts(pairs)
    low, high = paired_difference(both, lost, won, neither)
    if len(pairs) > 1:
        rows = dict.fromkeys(pairs[0][0], 0)
        for first, second in pairs:
            assert first.keys() == rows.keys()
            for row, was in first.items():
                rows[row] += int(second[row]) - int(was)
        bootstrap = cluster_mean(list(rows.values()), [len(pairs)] * len(rows))
        assert bootstrap is not None
        low, high = min(low, bootstrap[0]), max(high, bootstrap[1])
    n = both + lost + won + neither
    return {"difference": (won - lost) / n, "n": n, "interval": (low, high), "lost": lost, "won": won}
