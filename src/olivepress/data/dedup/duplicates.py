"""Rows that repeat another one: exact and near duplicates, contradictions, leaks of held-out rows and of benchmarks.

A row of the test split stays before one of validation, and that before one of train. Within a split the row with the
smallest digest stays, whatever the order in which rows were read; of equal ones the first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olivepress.core.progress import StageProgress
from olivepress.data.dedup.boilerplate import Boilerplate
from olivepress.data.dedup.decisions import (
    BENCHMARK_NEAR,
    CONTINUES,
    CONTRADICTION,
    DUPLICATE,
    LEAK,
    NEAR,
    NEAR_LEAK,
    Decisions,
    Reason,
    lowest,
)
from olivepress.data.dedup.neighbors import Groups, Neighbors, find_neighbors
from olivepress.data.dedup.openings import find_continuations
from olivepress.data.policy import Policy
from olivepress.data.store.examples import SPLITS
from olivepress.data.store.row_store import BENCHMARK, RowStore

__all__ = ["NearNote", "drop_duplicates", "find_boilerplate", "similarity_text"]

_SAMPLE = 20_000


@dataclass(frozen=True, kw_only=True)
class NearNote:
    """A kept near duplicate: the row that it is near to, and how near."""

    other: int
    text: str


def find_boilerplate(store: RowStore, seed: int) -> Boilerplate:
    """The text that many rows share, by a seeded sample of them."""
    numbers = np.flatnonzero(store.splits != BENCHMARK)
    if len(numbers) > _SAMPLE:
        numbers = np.sort(lowest(store.contents, numbers, _SAMPLE, f"{seed}:boilerplate"))
    return Boilerplate(store.some_keys(numbers.tolist()))


def drop_duplicates(
    store: RowStore, decisions: Decisions, policy: Policy, boilerplate: Boilerplate, on_progress: StageProgress
) -> tuple[Groups, dict[int, NearNote]]:
    """Drop rows that repeat another one. Returns the groups that belong in one split, and a note per kept duplicate."""
    _drop_exact(store, decisions)
    _drop_same_prompt(store, decisions)
    _drop_continuations(store, decisions)
    benchmark = np.flatnonzero(store.splits == BENCHMARK)
    near = Neighbors(len(store))
    if policy.near_duplicates != "ignore" or len(benchmark):
        compared = np.sort(np.concatenate([decisions.kept, benchmark]))
        near = find_neighbors(store, compared, policy, boilerplate, on_progress)
    members = list(near.members().values())
    _drop_benchmark_rows(store, decisions, near, members, benchmark)
    notes: dict[int, NearNote] = {}
    groups = near.groups
    if policy.near_duplicates == "ignore":
        groups = Groups(len(store))
    else:
        for rows in members:
            _drop_near_leaks(store, decisions, near, rows)
            if policy.near_duplicates == "drop":
                _drop_near(store, decisions, near, rows)
            else:
                notes |= _near_notes(store, decisions, near, rows)
    for row, first in zip(*_repeated(store.prompts, _ranked(store, decisions.kept)), strict=True):
        groups.join(int(row), int(first))
    for row, opening in zip(*find_continuations(store, decisions.kept), strict=True):
        groups.join(int(row), int(opening))
    return groups, notes


def _ranked(store: RowStore, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Rows in the order of precedence: test, validation, train; then by their content."""
    return rows[np.lexsort((rows, store.contents[rows], -store.splits[rows].astype(np.int16)))]


def _repeated(digests: NDArray[np.uint64], ranked: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows with the digest of an earlier one of ``ranked``, and that earlier row."""
    _, first, inverse = np.unique(digests[ranked], return_index=True, return_inverse=True)
    keeper = ranked[first[inverse]]
    is_repeated = keeper != ranked
    return ranked[is_repeated], keeper[is_repeated]


def _drop_exact(store: RowStore, decisions: Decisions) -> None:
    rows, keepers = _repeated(store.pairs, _ranked(store, decisions.kept))
    leaks = store.splits[rows] != store.splits[keepers]
    decisions.drop(rows[leaks], LEAK, keepers[leaks])
    decisions.drop(rows[~leaks], DUPLICATE, keepers[~leaks])


def _drop_same_prompt(store: RowStore, decisions: Decisions) -> None:
    """Another answer to the same prompt: a leak across splits, a contradiction between labels; else it is kept.

    A contradiction has the same punctuation too: "Really?" and "Really." may belong to different classes.
    """
    rows, keepers = _repeated(store.prompts, _ranked(store, decisions.kept))
    leaks = store.splits[rows] != store.splits[keepers]
    decisions.drop(rows[leaks], LEAK, keepers[leaks])
    rows, keepers = _repeated(store.punctuated_prompts, _ranked(store, decisions.kept))
    labels = store.label_numbers
    contradicts = (labels[rows] >= 0) & (labels[rows] != labels[keepers])
    decisions.drop(rows[contradicts], CONTRADICTION, keepers[contradicts])


def _drop_continuations(store: RowStore, decisions: Decisions) -> None:
    """Drop rows that would teach the answer of a held-out row within a longer conversation."""
    rows, openings = find_continuations(store, decisions.kept)
    leaks = store.splits[rows] < store.splits[openings]
    decisions.drop(rows[leaks], CONTINUES, openings[leaks])


def _drop_benchmark_rows(
    store: RowStore,
    decisions: Decisions,
    near: Neighbors,
    members: list[NDArray[np.int64]],
    benchmark: NDArray[np.int64],
) -> None:
    """Drop training rows that ask the same as a benchmark, or nearly. Held-out splits stay unchanged."""
    if not len(benchmark):
        return
    kept = decisions.kept
    train = kept[store.splits[kept] == SPLITS.index("train")]
    rows, keepers = _repeated(store.prompts, np.concatenate([benchmark, train]))
    is_ours = store.splits[rows] != BENCHMARK
    decisions.drop(rows[is_ours], BENCHMARK_NEAR, keepers[is_ours])
    for group in members:
        group_benchmark = group[store.splits[group] == BENCHMARK]
        if len(group_benchmark):
            candidates = _kept(decisions, store, group, "train")
            _drop_near_to(decisions, near, candidates, group_benchmark, BENCHMARK_NEAR)


def _kept(decisions: Decisions, store: RowStore, rows: NDArray[np.int64], split: str) -> NDArray[np.int64]:
    chosen: NDArray[np.bool_] = (decisions.reason[rows] < 0) & (store.splits[rows] == SPLITS.index(split))
    return rows[chosen]


def _drop_near_to(
    decisions: Decisions, near: Neighbors, rows: NDArray[np.int64], held_out: NDArray[np.int64], reason: Reason
) -> None:
    """Drop those of ``rows`` that are near to a row of ``held_out``: the pair itself is, not by way of other rows."""
    for row in rows.tolist():
        if (best := near.nearest(row, held_out)) is not None:
            decisions.drop_as_near(row, reason, *best)


def _drop_near_leaks(store: RowStore, decisions: Decisions, near: Neighbors, rows: NDArray[np.int64]) -> None:
    splits = store.splits[rows]
    if (splits == SPLITS.index("train")).all():
        return
    test = _kept(decisions, store, rows, "test")
    if len(test):
        _drop_near_to(decisions, near, _kept(decisions, store, rows, "validation"), test, NEAR_LEAK)
    held_out = np.concatenate([test, _kept(decisions, store, rows, "validation")])
    if len(held_out):
        _drop_near_to(decisions, near, _kept(decisions, store, rows, "train"), held_out, NEAR_LEAK)


def _drop_near(store: RowStore, decisions: Decisions, near: Neighbors, rows: NDArray[np.int64]) -> None:
    """Of rows that are near to each other, keep one: each dropped row has a kept one that it is near to."""
    for split in SPLITS:
        kept: list[int] = []
        for row in _ranked(store, _kept(decisions, store, rows, split)).tolist():
            best = near.nearest(row, np.array(kept, np.int64)) if kept else None
            if best is None:
                kept.append(row)
            else:
                decisions.drop_as_near(row, NEAR, *best)


def _near_notes(store: RowStore, decisions: Decisions, near: Neighbors, rows: NDArray[np.int64]) -> dict[int, NearNote]:
    """A note for each kept row of a group except the first of each split: a row it is near to, and how near."""
    notes: dict[int, NearNote] = {}
    for split in SPLITS:
        ranked = _ranked(store, _kept(decisions, store, rows, split)).tolist()
        for row in ranked[1:]:
            best, by_others = near.nearest(row, np.array(ranked[:1])), ""
            if best is None:
                best, by_others = near.links.get(row), ", and to the rest of its group by way of others"
            if best is not None and decisions.reason[best[0]] < 0:
                notes[row] = NearNote(other=best[0], text=f"{similarity_text(best[1])}{by_others}")
    return notes


def similarity_text(similarity: float) -> str:
    """A similarity as the audit shows it: rounded down, so that it does not reach a threshold by rounding."""
    return f"similarity {int(similarity * 1000) / 1000:.3f}"
