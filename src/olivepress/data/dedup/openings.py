"""Conversations that continue another row: its answer is part of their prompt, so both belong in one split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from olivepress.data.store.row_store import RowStore

__all__ = ["find_continuations"]


def find_continuations(store: RowStore, kept: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Those of the ``kept`` rows that begin with the whole conversation of another kept row, and that other row."""
    digests, rows = store.openings
    if not len(digests) or not len(kept):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = kept[np.argsort(store.pairs[kept], kind="stable")]
    pairs = store.pairs[order]
    place = np.minimum(np.searchsorted(pairs, digests), len(pairs) - 1)
    is_kept = np.zeros(len(store), np.bool_)
    is_kept[kept] = True
    hit = (pairs[place] == digests) & is_kept[rows]
    return rows[hit], order[place[hit]]
