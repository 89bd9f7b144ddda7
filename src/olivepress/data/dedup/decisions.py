"""Which rows are dropped, for what reason and because of which other row."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from olivepress.data.dedup.shingles import mix_bits
from olivepress.data.store.row_store import BENCHMARK, RowStore, digest64

__all__ = [
    "BENCHMARK_NEAR",
    "CONTINUES",
    "CONTRADICTION",
    "DUPLICATE",
    "LEAK",
    "NEAR",
    "NEAR_LEAK",
    "Decisions",
    "Reason",
    "lowest",
]


@dataclass(frozen=True)
class Reason:
    """Why a row is dropped: ``is_leak`` if it contains held-out text, ``is_near`` if it nearly repeats another row."""

    text: str
    is_leak: bool = False
    is_near: bool = False


DUPLICATE = Reason("duplicate: same prompt and answer")
CONTRADICTION = Reason("same prompt with another label")
LEAK = Reason("prompt occurs in a held-out split", is_leak=True)
NEAR = Reason("near duplicate", is_near=True)
NEAR_LEAK = Reason("near duplicate of a row in a held-out split", is_leak=True, is_near=True)
CONTINUES = Reason("continues a conversation of a held-out split", is_leak=True)
BENCHMARK_NEAR = Reason("near duplicate of a benchmark's row", is_near=True)


class Decisions:
    """Row by row: the number of the reason why it is dropped, and the row that is the cause of it (-1: none).

    ``reason`` holds indices into ``reasons``, -1 for a row that is kept; ``similarities`` those of near duplicates.
    """

    def __init__(self, store: RowStore) -> None:
        self.store = store
        self.reason = np.full(len(store), -1, np.int16)
        self.other = np.full(len(store), -1, np.int64)
        self.reasons: list[Reason] = []
        self.similarities: dict[int, float] = {}

    def drop(self, rows: NDArray[np.int64], reason: Reason, others: NDArray[np.int64] | None = None) -> None:
        """Drop ``rows``; one that is dropped already keeps its first reason."""
        if reason not in self.reasons:
            self.reasons.append(reason)
        fresh = self.reason[rows] < 0
        self.reason[rows[fresh]] = self.reasons.index(reason)
        if others is not None:
            self.other[rows[fresh]] = others[fresh]

    def drop_as_near(self, row: int, reason: Reason, other: int, similarity: float) -> None:
        """Drop ``row`` because of ``other``, to which it has this Jaccard similarity."""
        self.drop(np.array([row]), reason, np.array([other]))
        self.similarities[row] = similarity

    @property
    def kept(self) -> NDArray[np.int64]:
        """Rows that are in the dataset so far, in the order they were read."""
        return np.flatnonzero((self.reason < 0) & (self.store.splits != BENCHMARK))

    @property
    def leaks(self) -> int:
        """Rows that are dropped because they contain held-out text."""
        return self._count([reason.is_leak for reason in self.reasons])

    @property
    def near_duplicates(self) -> int:
        """Rows that are dropped because they nearly repeat another row."""
        return self._count([reason.is_near for reason in self.reasons])

    def _count(self, counts: list[bool]) -> int:
        numbers = [number for number, is_counted in enumerate(counts) if is_counted]
        return int(np.count_nonzero(np.isin(self.reason, numbers)))


def lowest(digests: NDArray[np.uint64], rows: NDArray[np.int64], count: int, salt: str) -> NDArray[np.int64]:
    """``count`` of ``rows``, chosen by their ``digests``: one row more or fewer changes at most one other choice."""
    ranks = mix_bits(digests[rows] ^ np.uint64(digest64(salt)))
    return rows[np.argsort(ranks, kind="stable")[:count]]
