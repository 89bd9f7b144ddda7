"""Conversations that go on from another row: that row's answer stands in their prompt, so both belong to one split."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from olivepress.data.store.row_store import Spool

__all__ = ["continued"]


def continued(spool: Spool, kept: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Those of the ``kept`` rows that begin with the whole conversation of another kept row, and that row."""
    digests, rows = spool.openings
    if not len(digests) or not len(kept):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    order = kept[np.argsort(spool.pairs[kept], kind="stable")]
    pairs = spool.pairs[order]
    place = np.minimum(np.searchsorted(pairs, digests), len(pairs) - 1)
    is_kept = np.zeros(len(spool), np.bool_)
    is_kept[kept] = True
    hit = (pairs[place] == digests) & is_kept[rows]
    return rows[hit], order[place[hit]]
