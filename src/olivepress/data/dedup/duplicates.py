"""Which rows say what another one says: exact and near duplicates, contradictions, leaks, overlap with benchmarks.

A row of the test split stays before one of validation, that before one of train; in a split the one with the smallest
digest stays, whatever the order in which rows were read (of equal ones the first).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from olivepress.core.progress import StageProgress
from olivepress.data.dedup.boilerplate import Boilerplate
from olivepress.data.dedup.neighbors import Groups, Neighbours, find_neighbours
from olivepress.data.dedup.openings import continued
from olivepress.data.dedup.shingles import Shingled, mixed, word_shingles
from olivepress.data.prepare.policy import Policy
from olivepress.data.store.examples import SPLITS
from olivepress.data.store.row_store import BENCHMARK, Spool, digest64

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
    "lowest",
    "similarity_text",
]

DUPLICATE = "duplicate: same prompt and answer"
CONTRADICTION = "same prompt with another label"
LEAK = "prompt occurs in a held-out split"
NEAR = "near duplicate"
NEAR_LEAK = "near duplicate of a row in a held-out split"
CONTINUES = "continues a conversation of a held-out split"
OVERLAP = "words in a row"
BENCHMARK_NEAR = "near duplicate of a benchmark's row"
_SAMPLE = 20_000
_BLOCK = 4096


def leaks(dropped: Mapping[str, int]) -> int:
    """Rows among those dropped (reason → rows) that went because held-out text stands in them."""
    return sum(
        count for reason, count in dropped.items() if reason in (LEAK, NEAR_LEAK, CONTINUES) or OVERLAP in reason
    )


class Decisions:
    """Row by row: why it is dropped (``reasons``; None: kept) and because of which other row (``others``; -1: none)."""

    def __init__(self, spool: Spool) -> None:
        self.spool = spool
        self.reason = np.full(len(spool), -1, np.int16)
        self.other = np.full(len(spool), -1, np.int64)
        self.reasons: list[str] = []
        self.similarities: dict[int, float] = {}

    def drop(self, rows: NDArray[np.int64], reason: str, others: NDArray[np.int64] | None = None) -> None:
        """Drop ``rows``; one that is dropped already keeps its first reason."""
        if reason not in self.reasons:
            self.reasons.append(reason)
        fresh = self.reason[rows] < 0
        self.reason[rows[fresh]] = self.reasons.index(reason)
        if others is not None:
            self.other[rows[fresh]] = others[fresh]

    def drop_as_near(self, row: int, reason: str, other: int, similarity: float) -> None:
        """Drop ``row`` because of ``other``, to which it has this Jaccard similarity."""
        self.drop(np.array([row]), reason, np.array([other]))
        self.similarities[row] = similarity

    @property
    def kept(self) -> NDArray[np.int64]:
        """Rows that are in the dataset so far, in the order they were read."""
        return np.flatnonzero((self.reason < 0) & (self.spool.splits != BENCHMARK))


def boilerplate_of(spool: Spool, seed: int) -> Boilerplate:
    """What a seeded sample of the rows' keys shares."""
    numbers = np.flatnonzero(spool.splits != BENCHMARK)
    if len(numbers) > _SAMPLE:
        numbers = np.sort(lowest(spool.contents, numbers, _SAMPLE, f"{seed}:boilerplate"))
    return Boilerplate(spool.some_keys(numbers.tolist()))


def lowest(digests: NDArray[np.uint64], rows: NDArray[np.int64], count: int, salt: str) -> NDArray[np.int64]:
    """A choice of ``rows`` that follows from their ``digests``: a row more or less moves one other at most."""
    ranks = mixed(digests[rows] ^ np.uint64(digest64(salt)))
    return rows[np.argsort(ranks, kind="stable")[:count]]


def decide_duplicates(
    spool: Spool, decisions: Decisions, policy: Policy, boilerplate: Boilerplate, tell: StageProgress
) -> tuple[Groups, dict[int, tuple[int, str]]]:
    """Drop what repeats. Returns the groups that no split may tear apart, and each kept near duplicate's note.

    A note is the row that it is near to, and how near.
    """
    _exact(spool, decisions)
    _same_prompt(spool, decisions)
    _continuations(spool, decisions)
    kept = decisions.kept
    benchmark = np.flatnonzero(spool.splits == BENCHMARK)
    near = Neighbours(len(spool))
    if policy.near_duplicates != "ignore" or len(benchmark):
        near = find_neighbours(spool, np.sort(np.concatenate([kept, benchmark])), policy, boilerplate, tell)
    members = list(near.members().values())
    _benchmark(spool, decisions, near, members, benchmark)
    notes: dict[int, tuple[int, str]] = {}
    groups = near.groups
    if policy.near_duplicates == "ignore":
        groups = Groups(len(spool))
    else:
        for rows in members:
            _near_leaks(spool, decisions, near, rows)
            if policy.near_duplicates == "drop":
                _drop_near(spool, decisions, near, rows)
            else:
                notes |= _notes(spool, decisions, near, rows)
    for row, first in zip(*_repeated(spool.prompts, _ranked(spool, decisions.kept)), strict=True):
        groups.join(int(row), int(first))
    for row, opening in zip(*continued(spool, decisions.kept), strict=True):
        groups.join(int(row), int(opening))
    return groups, notes


def _ranked(spool: Spool, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows in the order of who stays: test, validation, train; then by their content."""
    return rows[np.lexsort((rows, spool.contents[rows], -spool.splits[rows].astype(np.int16)))]


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
    """Another answer to the same prompt: a leak across splits, a contradiction between labels, else another answer.

    A contradiction has the same punctuation too: "Really?" and "Really." may be of two classes.
    """
    rows, keepers = _repeated(spool.prompts, _ranked(spool, decisions.kept))
    leaks = spool.splits[rows] != spool.splits[keepers]
    decisions.drop(rows[leaks], LEAK, keepers[leaks])
    rows, keepers = _repeated(spool.asked, _ranked(spool, decisions.kept))
    labels = spool.label_numbers
    labelled = (labels[rows] >= 0) & (labels[rows] != labels[keepers])
    decisions.drop(rows[labelled], CONTRADICTION, keepers[labelled])


def _continuations(spool: Spool, decisions: Decisions) -> None:
    """Drop what would teach the answer of a held-out row within a longer conversation."""
    rows, openings = continued(spool, decisions.kept)
    leaks = spool.splits[rows] < spool.splits[openings]
    decisions.drop(rows[leaks], CONTINUES, openings[leaks])


def _benchmark(
    spool: Spool, decisions: Decisions, near: Neighbours, members: list[NDArray[np.int64]], benchmark: NDArray[np.int64]
) -> None:
    """Drop training rows that ask what a benchmark asks, or nearly. What the authors hold out is theirs to keep."""
    if not len(benchmark):
        return
    kept = decisions.kept
    train = kept[spool.splits[kept] == SPLITS.index("train")]
    rows, keepers = _repeated(spool.prompts, np.concatenate([benchmark, train]))
    decisions.drop(rows[spool.splits[rows] != BENCHMARK], BENCHMARK_NEAR, keepers[spool.splits[rows] != BENCHMARK])
    for group in members:
        held = group[spool.splits[group] == BENCHMARK]
        if len(held):
            _drop_what_is_near(decisions, near, _kept(decisions, spool, group, "train"), held, BENCHMARK_NEAR)


def _kept(decisions: Decisions, spool: Spool, rows: NDArray[np.int64], split: str) -> NDArray[np.int64]:
    chosen: NDArray[np.bool_] = (decisions.reason[rows] < 0) & (spool.splits[rows] == SPLITS.index(split))
    return rows[chosen]


def _drop_what_is_near(
    decisions: Decisions, near: Neighbours, rows: NDArray[np.int64], held: NDArray[np.int64], reason: str
) -> None:
    """Drop those of ``rows`` that are near to a row of ``held``, that pair itself and not by way of others."""
    for row in rows.tolist():
        if (best := near.nearest(row, held)) is not None:
            decisions.drop_as_near(row, reason, *best)


def _near_leaks(spool: Spool, decisions: Decisions, near: Neighbours, rows: NDArray[np.int64]) -> None:
    splits = spool.splits[rows]
    if (splits == SPLITS.index("train")).all():
        return
    test = _kept(decisions, spool, rows, "test")
    if len(test):
        _drop_what_is_near(decisions, near, _kept(decisions, spool, rows, "validation"), test, NEAR_LEAK)
    held = np.concatenate([test, _kept(decisions, spool, rows, "validation")])
    if len(held):
        _drop_what_is_near(decisions, near, _kept(decisions, spool, rows, "train"), held, NEAR_LEAK)


def _drop_near(spool: Spool, decisions: Decisions, near: Neighbours, rows: NDArray[np.int64]) -> None:
    """Of rows that are near to each other, keep one: each row is dropped for one that stays."""
    for split in SPLITS:
        stay: list[int] = []
        for row in _ranked(spool, _kept(decisions, spool, rows, split)).tolist():
            best = near.nearest(row, np.array(stay, np.int64)) if stay else None
            if best is None:
                stay.append(row)
            else:
                decisions.drop_as_near(row, NEAR, *best)


def _notes(spool: Spool, decisions: Decisions, near: Neighbours, rows: NDArray[np.int64]) -> dict[int, tuple[int, str]]:
    """Kept rows of a group but the first of each split: a row that each is really near to, and how near."""
    notes: dict[int, tuple[int, str]] = {}
    for split in SPLITS:
        first, *rest = _ranked(spool, _kept(decisions, spool, rows, split)).tolist() or [-1]
        for row in rest:
            best, by_others = near.nearest(row, np.array([first])), ""
            if best is None:
                best, by_others = near.links.get(row), ", and to the rest of its group by way of others"
            if best is not None and decisions.reason[best[0]] < 0:
                notes[row] = (best[0], f"{similarity_text(best[1])}{by_others}")
    return notes


def similarity_text(similarity: float) -> str:
    """The similarity of a pair, as the audit has it: rounded down, so that it reaches no threshold by rounding."""
    return f"similarity {int(similarity * 1000) / 1000:.3f}"


def drop_overlaps(
    spool: Spool,
    decisions: Decisions,
    splits: NDArray[np.int8],
    policy: Policy,
    boilerplate: Boilerplate,
    *,
    against: int,
    reason: str,
    tell: StageProgress,
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
