"""Rows that share a long run of words with held-out text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from olivepress.core.progress import StageProgress
from olivepress.data.dedup.boilerplate import Boilerplate
from olivepress.data.dedup.decisions import Decisions, Reason
from olivepress.data.dedup.shingles import Shingled, word_shingles
from olivepress.data.policy import Policy
from olivepress.data.store.examples import SPLITS
from olivepress.data.store.row_store import BENCHMARK, RowStore

__all__ = ["drop_overlaps"]

_BLOCK = 4096


def drop_overlaps(
    store: RowStore,
    decisions: Decisions,
    splits: NDArray[np.int8],
    policy: Policy,
    boilerplate: Boilerplate,
    *,
    against: int,
    against_name: str,
    on_progress: StageProgress,
) -> None:
    """Drop rows of train that share ``policy.overlap_words`` consecutive words with the split ``against``.

    Against test, rows of validation are dropped too. Only the held-out text is in memory: 12 bytes for each of its word
    windows.
    """
    size = policy.overlap_words
    if not size:
        return
    reason = Reason(f"shares {size} words in a row with {against_name}", is_leak=True)
    held_out = np.flatnonzero((splits == against) & ((decisions.reason < 0) | (splits == BENCHMARK)))
    hashes, owners = _windows_of(store, held_out, size, boilerplate)
    if not len(hashes):
        return
    candidates = decisions.kept
    if against == BENCHMARK:
        candidates = candidates[splits[candidates] == SPLITS.index("train")]
    else:
        candidates = candidates[splits[candidates] < against]
    candidates = candidates[store.words[candidates] >= size]
    for first in range(0, len(candidates), _BLOCK):
        on_progress("overlap with held-out text", first, len(candidates))
        block = candidates[first : first + _BLOCK]
        windows = _windows(store, block, size, boilerplate)
        place = np.minimum(np.searchsorted(hashes, windows.hashes), len(hashes) - 1)
        hits = np.flatnonzero(hashes[place] == windows.hashes)
        if len(hits):
            rows, at = np.unique(np.repeat(block, windows.counts)[hits], return_index=True)
            decisions.drop(rows, reason, owners[place[hits[at]]].astype(np.int64))


def _windows(store: RowStore, rows: NDArray[np.int64], size: int, boilerplate: Boilerplate) -> Shingled:
    """Word windows of ``rows``, without those of a template: these do not identify a row."""
    texts = store.some_keys(rows.tolist())
    windows = word_shingles(texts, size)
    if not boilerplate.phrases:
        return windows
    own = boilerplate.own_windows(texts, size)
    owners = np.repeat(np.arange(len(rows)), windows.counts)
    return Shingled(windows.hashes[own], np.bincount(owners[own], minlength=len(rows)))


def _windows_of(
    store: RowStore, rows: NDArray[np.int64], size: int, boilerplate: Boilerplate
) -> tuple[NDArray[np.uint64], NDArray[np.int32]]:
    """The hash of every word window of ``rows``, sorted, and a row that contains it."""
    rows = rows[store.words[rows] >= size]
    hashes, owners = [np.empty(0, np.uint64)], [np.empty(0, np.int32)]
    for first in range(0, len(rows), _BLOCK):
        block = rows[first : first + _BLOCK]
        windows = _windows(store, block, size, boilerplate)
        hashes.append(windows.hashes)
        owners.append(np.repeat(block, windows.counts).astype(np.int32))
    unique, index = np.unique(np.concatenate(hashes), return_index=True)
    return unique, np.concatenate(owners)[index]
