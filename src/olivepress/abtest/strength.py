"""Strengths of artifacts by the Bradley-Terry model, over all pairs that were compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Strength", "strengths"]

_RESAMPLES = 1000
_ADDED = 0.5  # of a win to each side of every pair: without it an artifact that always wins is infinitely strong


@dataclass(frozen=True, kw_only=True)
class Strength:
    """``log_strength`` in nats relative to ``reference``, 0 for itself; exp of it are the odds of winning against it.

    ``group`` numbers the artifacts that comparisons connect: those of different groups cannot be ranked.
    """

    artifact: str
    reference: str
    log_strength: float
    ci_low: float
    ci_high: float
    group: int


def strengths(judged: Mapping[tuple[str, str], Sequence[int]], *, seed: int = 0) -> tuple[Strength, ...]:
    """Strengths from the results of each pair's prompts (1: the first wins, -1: the second, 0: a tie).

    Maximum likelihood of R. A. Bradley and M. E. Terry (Biometrika 39 (1952)) by choix; a tie is half a win for each,
    and each side of a pair has half a win added. 95 % intervals resample prompts. In each group of connected artifacts
    the reference is the one that was named second first. SetupError when choix is missing.
    """
    results = {pair: np.asarray(outcomes, dtype=np.int64) for pair, outcomes in judged.items() if len(outcomes)}
    generator = np.random.default_rng(seed)
    found = list[Strength]()
    for number, names in enumerate(_groups(results)):
        own = {pair: outcomes for pair, outcomes in results.items() if pair[0] in names}
        reference = next(iter(own))[1]
        found += _group_strengths(names, own, reference, number, generator)
    return tuple(found)


def _group_strengths(
    names: Sequence[str],
    results: Mapping[tuple[str, str], np.ndarray],
    reference: str,
    number: int,
    generator: np.random.Generator,
) -> list[Strength]:
    values = _fit(names, results)
    draws = np.empty((_RESAMPLES, len(names)))
    for row in range(_RESAMPLES):
        again = {pair: each[generator.integers(0, len(each), len(each))] for pair, each in results.items()}
        draws[row] = _fit(names, again)
    zero = names.index(reference)
    low, high = np.quantile(draws - draws[:, [zero]], [0.025, 0.975], axis=0)
    values = values - values[zero]
    order = sorted(range(len(names)), key=lambda i: -values[i])
    return [
        Strength(
            artifact=names[i],
            reference=reference,
            log_strength=float(values[i]),
            ci_low=float(low[i]),
            ci_high=float(high[i]),
            group=number,
        )
        for i in order
    ]


def _fit(names: Sequence[str], results: Mapping[tuple[str, str], np.ndarray]) -> np.ndarray:
    from olivepress.abtest.packages import choix

    wins = np.zeros((len(names), len(names)))
    for (a, b), outcomes in results.items():
        i, j = names.index(a), names.index(b)
        ties = float((outcomes == 0).sum()) / 2
        wins[i, j] += float((outcomes > 0).sum()) + ties + _ADDED
        wins[j, i] += float((outcomes < 0).sum()) + ties + _ADDED
    return np.asarray(choix().ilsr_pairwise_dense(wins, max_iter=1000), dtype=np.float64)


def _groups(results: Mapping[tuple[str, str], np.ndarray]) -> list[list[str]]:
    """The artifacts that comparisons connect, in the order in which they are named."""
    groups = list[list[str]]()
    for a, b in results:
        joined = [group for group in groups if a in group or b in group]
        merged = list(dict.fromkeys([*(name for group in joined for name in group), a, b]))
        groups = [group for group in groups if group not in joined] + [merged]
    return groups
