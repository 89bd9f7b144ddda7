"""Which rows say what another one says: exact and near duplicates, contradictions, leaks, overlap with benchmarks.

A row of the test split stays before one of validation, that before one of train, and in a split the first one stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from olivepress.data.boilerplate import Boilerplate
from olivepress.data.examples import SPLITS
from olivepress.data.neighbours import Groups, near_groups
from olivepress.data.policy import Policy
from olivepress.data.shingles import Shingled, word_shingles
from olivepress.data.spool import BENCHMARK, Spool

__all__ = [
    "DUPLICATE",
    "LEAK",
    "NEAR",
    "NEAR_LEAK",
    "OVERLAP",
    "Decisions",
    "boilerplate_of",
    "decide_duplicates",
    "drop_overlaps",
    "leaks",
]

DUPLICATE = "duplicate: same prompt and answer"
CONTRADICTION = "same prompt with another label"
LEAK = "prompt occurs in a held-out split"
NEAR = "near duplicate"
NEAR_LEAK = "near duplicate of a row in a held-out split"
OVERLAP = "words in a row"
BENCHMARK_NEAR = "near duplicate of a benchmark's row"
_SAMPLE = 20_000
_BLOCK = 4096
Tell = Callable[[str, int, int], None]


def leaks(dropped: Mapping[str, int]) -> int:
    """Rows among those dropped (reason → rows) that went because held-out text stands in them."""
    return sum(count for reason, count in dropped.items() if reason in (LEAK, NEAR_LEAK) or OVERLAP in reason)


class Decisions:
    """Row by row: why it is dropped (``reasons``; None: kept) and because of which other row (``others``; -1: none)."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.reason = np.full(len(spool), -1, np.int16)
        self.other = np.full(len(spool), -1, np.int64)
        self.reasons: list[str] = []

    def drop(self, rows: NDArray[np.int64], reason: str, others: NDArray[np.int64] | None = None) -> None:
        """Drop ``rows``; one that is dropped already keeps its first reason."""
        if reason not in self.reasons:
            self.reasons.append(reason)
        fresh = self.reason[rows] < 0
        self.reason[rows[fresh]] = self.reasons.index(reason)
        if others is not None:
            self.other[rows[fresh]] = others[fresh]

    @property
    def kept(self) -> NDArray[np.int64]:
        """Rows that are in the dataset so far, in the order they were read."""
        return np.flatnonzero((self.reason < 0) & (self.spool.splits != BENCHMARK))


def boilerplate_of(spool: Spool, seed: int) -> Boilerplate:
    """What a seeded sample of the rows' keys shares."""
    numbers = np.flatnonzero(spool.splits != BENCHMARK)
    if len(numbers) > _SAMPLE:
        numbers = np.sort(np.random.default_rng(seed).choice(numbers, _SAMPLE, replace=False))
    return Boilerplate(spool.some_keys(numbers.tolist()))


def decide_duplicates(
    spool: Spool, decisions: Decisions, policy: Policy, boilerplate: Boilerplate, tell: Tell
) -> tuple[Groups, dict[int, int]]:
    """Drop what repeats. Returns the groups that no split may tear apart, and each kept near duplicate's first row."""
    _exact(spool, decisions)
    _same_prompt(spool, decisions)
    kept = decisions.kept
    benchmark = np.flatnonzero(spool.splits == BENCHMARK)
    if policy.near_duplicates == "ignore" and not len(benchmark):
        groups = Groups(len(spool))
    else:
        groups = near_groups(spool, np.sort(np.concatenate([kept, benchmark])), policy, boilerplate, tell)
    _near_benchmark(spool, decisions, groups, benchmark)
    if policy.near_duplicates == "ignore":
        groups = Groups(len(spool))
    near = _near(spool, decisions, groups, policy)
    for row, first in zip(*_repeated(spool.prompts, _ranked(spool, decisions.kept)), strict=True):
        groups.join(int(row), int(first))
    return groups, near


def _ranked(spool: Spool, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows in the order of who stays: test, validation, train."""
    return rows[np.argsort(-spool.splits[rows], kind="stable")]


def _repeated(digests: NDArray[np.uint64], ranked: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows whose digest an earlier one of ``ranked`` has, and that one."""
    _, first, inverse = np.unique(digests[ranked], return_index=True, return_inverse=True)
    keeper = ranked[first[inverse]]
    again = keeper != ranked
    return ranked[again], keeper[again]


def _exact(spool: Spool, decisions: Decisions) -> None:
    rows, keepers = _repeated(spool.pairs, _ranked(spool, decisions.kept))
    leaks = spool.splits[rows] != spool.splits[keepers]
    decisions.drop(rows[leaks], LEAK, keepers[leaks])
    decisions.drop(rows[~leaks], DUPLICATE, keepers[~leaks])


def _same_prompt(spool: Spool, decisions: Decisions) -> None:
    """Another answer to the same prompt: a leak across splits, a contradiction between labels, else another answer."""
    rows, keepers = _repeated(spool.prompts, _ranked(spool, decisions.kept))
    leaks = spool.splits[rows] != spool.splits[keepers]
    decisions.drop(rows[leaks], LEAK, keepers[leaks])
    labels = spool.label_numbers
    labelled = (labels[rows] >= 0) & (labels[rows] != labels[keepers]) & ~leaks
    decisions.drop(rows[labelled], CONTRADICTION, keepers[labelled])


def _near_benchmark(spool: Spool, decisions: Decisions, groups: Groups, benchmark: NDArray[np.int64]) -> None:
    if not len(benchmark):
        return
    roots = groups.roots()
    bad, first = np.unique(roots[benchmark], return_index=True)
    kept = decisions.kept
    # What the authors hold out is theirs to keep: contamination is what is trained on.
    train = kept[spool.splits[kept] == SPLITS.index("train")]
    place = np.minimum(np.searchsorted(bad, roots[train]), len(bad) - 1)
    hit = bad[place] == roots[train]
    decisions.drop(train[hit], BENCHMARK_NEAR, benchmark[first[place[hit]]])


def _near(spool: Spool, decisions: Decisions, groups: Groups, policy: Policy) -> dict[int, int]:
    roots = groups.roots()
    ranked = _ranked(spool, decisions.kept)
    _, first, inverse = np.unique(roots[ranked], return_index=True, return_inverse=True)
    keeper = ranked[first[inverse]]
    again = keeper != ranked
    rows, keepers = ranked[again], keeper[again]
    leaks = spool.splits[rows] != spool.splits[keepers]
    decisions.drop(rows[leaks], NEAR_LEAK, keepers[leaks])
    rows, keepers = rows[~leaks], keepers[~leaks]
    if policy.near_duplicates == "drop":
        decisions.drop(rows, NEAR, keepers)
        return {}
    return dict(zip(rows.tolist(), keepers.tolist(), strict=True))


def drop_overlaps(
    spool: Spool,
    decisions: Decisions,
    splits: NDArray[np.int8],
    policy: Policy,
    boilerplate: Boilerplate,
    *,
    against: int,
    reason: str,
    tell: Tell,
) -> None:
    """Drop rows of train (and of validation, against test) that share ``policy.overlap_words`` words in a row with it.

    Only what is held against is kept in memory: 12 bytes for each of its word windows.
    """
    if not policy.overlap_words:
        return
    held = np.flatnonzero((splits == against) & ((decisions.reason < 0) | (splits == BENCHMARK)))
    grams, owners = _grams(spool, held, policy.overlap_words, boilerplate)
    if not len(grams):
        return
    kept = decisions.kept
    judged = kept[(splits[kept] < against) if against != BENCHMARK else splits[kept] == SPLITS.index("train")]
    judged = judged[spool.words[judged] >= policy.overlap_words]
    for first in range(0, len(judged), _BLOCK):
        tell("overlap with held-out text", first, len(judged))
        block = judged[first : first + _BLOCK]
        found = _windows(spool, block, policy.overlap_words, boilerplate)
        place = np.minimum(np.searchsorted(grams, found.hashes), len(grams) - 1)
        hit = np.flatnonzero(grams[place] == found.hashes)
        if len(hit):
            rows, at = np.unique(np.repeat(block, found.counts)[hit], return_index=True)
            decisions.drop(rows, reason, owners[place[hit[at]]].astype(np.int64))


def _windows(spool: Spool, rows: NDArray[np.int64], size: int, boilerplate: Boilerplate) -> Shingled:
    """Word windows of ``rows``, less those that are a template's: these say nothing of a row."""
    texts = spool.some_keys(rows.tolist())
    found = word_shingles(texts, size)
    if not boilerplate.phrases:
        return found
    own = boilerplate.own_windows(texts, size)
    owners = np.repeat(np.arange(len(rows)), found.counts)
    return Shingled(found.hashes[own], np.bincount(owners[own], minlength=len(rows)))


def _grams(
    spool: Spool, rows: NDArray[np.int64], size: int, boilerplate: Boilerplate
) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """Every word window of ``rows``, sorted, and a row that has it."""
    rows = rows[spool.words[rows] >= size]
    hashes, owners = [np.empty(0, np.uint64)], [np.empty(0, np.int32)]
    for first in range(0, len(rows), _BLOCK):
        block = rows[first : first + _BLOCK]
        found = _windows(spool, block, size, boilerplate)
        hashes.append(found.hashes)
        owners.append(np.repeat(block, found.counts).astype(np.int32))
    every, who = np.concatenate(hashes), np.concatenate(owners)
    unique, index = np.unique(every, return_index=True)
    return unique, who[index]
