"""Near duplicates: MinHash finds candidates, their exact Jaccard similarity decides, groups are transitive closures.

Broder, On the resemblance and containment of documents (1997). The permutations are datasketch's (a test compares
the signatures), applied to many rows at once. Of each value 8 bits are kept (b-bit minwise hashing; Li, König
2010): 128 bytes a row, from which the bands are cut and similarities are estimated before texts are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from olivepress.core.progress import StageProgress
from olivepress.data.dedup.boilerplate import Boilerplate
from olivepress.data.dedup.shingles import Shingled, letter_shingles, word_shingles
from olivepress.data.policy import Policy
from olivepress.data.store.row_store import RowStore
from olivepress.data.text.words import word_windows

__all__ = ["Groups", "Neighbors", "find_neighbors", "jaccard", "signatures"]

# Rows with about SHORT_WORDS words are compared by letters and by words, so that the border does not hide a pair.
_BORDER = (24, 40)
_LETTERS = 5
_BLOCK = 2048
_LAGS = 8
_PAIRS = 65_536
# Standard error of an estimate from 128 values at 0.8 is 0.035: three of them below the threshold are still read.
_SLACK = 0.105
_DIGITS = re.compile(r"\d+")


class Groups:
    """Disjoint sets of row numbers, each named by its smallest member."""

    def __init__(self, size: int) -> None:
        self.parent = np.arange(size, dtype=np.int64)

    def find(self, number: int) -> int:
        parent = self.parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]
            number = int(parent[number])
        return number

    def join(self, first: int, second: int) -> None:
        first, second = self.find(first), self.find(second)
        if first != second:
            self.parent[max(first, second)] = min(first, second)

    def roots(self) -> NDArray[np.int64]:
        """The smallest member of every row's group."""
        roots = self.parent
        while True:
            above = roots[roots]
            if np.array_equal(above, roots):
                return roots
            roots = above


class Neighbors:
    """The near duplicates. ``groups`` are transitive: two rows of a group may be near only by way of others.

    ``links``: row → a row that it is directly near to, and their similarity; all rows of a group but one have a link.
    """

    def __init__(self, size: int, searches: Sequence[_Search] = ()) -> None:
        self.groups, self.searches = Groups(size), searches
        self.links: dict[int, tuple[int, float]] = {}

    def nearest(self, row: int, others: NDArray[np.int64]) -> tuple[int, float] | None:
        """A row of ``others`` that ``row`` is near to, the likeliest first, and their exact similarity."""
        for search in self.searches:
            if (best := search.nearest(row, others)) is not None:
                return best
        return None

    def members(self) -> dict[int, NDArray[np.int64]]:
        """Root → rows, of groups of two and more."""
        roots = self.groups.roots()
        order = np.argsort(roots, kind="stable")
        parts = np.split(order, np.flatnonzero(np.diff(roots[order])) + 1)
        return {int(roots[rows[0]]): rows for rows in parts if len(rows) > 1}


def find_neighbors(
    store: RowStore,
    rows: NDArray[np.int64],
    policy: Policy,
    boilerplate: Boilerplate,
    on_progress: StageProgress = lambda *_: None,
) -> Neighbors:
    """Pairs of ``rows`` whose keys have a Jaccard similarity of ``policy.threshold`` or more.

    Rows are compared in the order of their content, held-out splits first, so that the result does not depend on the
    order in which they were read.
    """
    rows = rows[np.lexsort((store.contents[rows], -store.splits[rows].astype(np.int16)))]
    words = store.words[rows]
    kinds = ((rows[(words < _BORDER[1]) & (words > 0)], True), (rows[words >= _BORDER[0]], False))
    searches = [
        _Search(store, chosen, policy, boilerplate, by_letters=by_letters)
        for chosen, by_letters in kinds
        if len(chosen) > 1
    ]
    near = Neighbors(len(store), searches)
    for search in searches:
        search.run(near, on_progress)
    return near


class _Search:
    """One search among rows that are compared by the same kind of shingle."""

    def __init__(
        self, store: RowStore, rows: NDArray[np.int64], policy: Policy, boilerplate: Boilerplate, *, by_letters: bool
    ) -> None:
        self.store, self.rows, self.policy = store, rows, policy
        self.boilerplate, self.by_letters = boilerplate, by_letters
        self.rejected: set[int] = set()
        self.content = lru_cache(maxsize=4096)(self._content)
        self.places = np.full(len(store), -1, np.int32)
        self.places[rows] = np.arange(len(rows), dtype=np.int32)
        self.signatures = np.empty((0, policy.permutations), np.uint8)

    def run(self, near: Neighbors, on_progress: StageProgress) -> None:
        self.signatures = self._signatures(on_progress)
        bands, size = _bands(self.policy.threshold, self.policy.permutations)
        for band in range(bands):
            on_progress("near duplicates", band, bands)
            columns = self.signatures[:, band * size : (band + 1) * size]
            for firsts, seconds in _candidates(columns):
                self._compare(firsts, seconds, near)

    def nearest(self, row: int, others: NDArray[np.int64]) -> tuple[int, float] | None:
        """The likeliest of ``others`` that is near to ``row``, and their similarity."""
        place, places = int(self.places[row]), self.places[others]
        places = places[(places >= 0) & (places != place)]
        if place < 0 or not len(places):
            return None
        same = np.mean(self.signatures[places] == self.signatures[place], axis=1)
        for at in np.argsort(-same, kind="stable").tolist():
            if same[at] < self._minimum_estimate():
                break
            other = int(self.rows[places[at]])
            if (similarity := self._similarity(row, other)) >= self.policy.threshold:
                return other, similarity
        return None

    def _minimum_estimate(self) -> float:
        """Share of equal values from which two rows are read and compared; 1 in 256 is equal by chance."""
        return (self.policy.threshold - _SLACK) * (1 - 1 / 256) + 1 / 256

    def _signatures(self, on_progress: StageProgress) -> NDArray[np.uint8]:
        """8 bits of every MinHash value, (rows, permutations)."""
        values = np.empty((len(self.rows), self.policy.permutations), np.uint8)
        for first in range(0, len(self.rows), _BLOCK):
            on_progress("signatures", first, len(self.rows))
            block = self.rows[first : first + _BLOCK]
            texts = [self.boilerplate.without(text) for text in self.store.some_keys(block.tolist())]
            values[first : first + len(block)] = signatures(self._shingles(texts), self.policy.permutations)
        return values

    def _shingles(self, texts: Sequence[str]) -> Shingled:
        if self.by_letters:
            return letter_shingles(texts, _LETTERS)
        return word_shingles(texts, self.policy.shingle_words)

    def _compare(self, firsts: NDArray[np.int64], seconds: NDArray[np.int64], near: Neighbors) -> None:
        """Join the groups of those candidate pairs that are near duplicates."""
        estimates = [
            np.mean(self.signatures[firsts[i : i + _PAIRS]] == self.signatures[seconds[i : i + _PAIRS]], axis=1)
            for i in range(0, len(firsts), _PAIRS)
        ]
        likely = np.flatnonzero(np.concatenate(estimates) >= self._minimum_estimate())
        for first, second in zip(firsts[likely].tolist(), seconds[likely].tolist(), strict=True):
            row, other = int(self.rows[first]), int(self.rows[second])
            pair = (first << 32) | second
            if pair in self.rejected or near.groups.find(row) == near.groups.find(other):
                continue
            if (similarity := self._similarity(row, other)) >= self.policy.threshold:
                near.groups.join(row, other)
                near.links.setdefault(row, (other, similarity))
                near.links.setdefault(other, (row, similarity))
            else:
                self.rejected.add(pair)

    def _similarity(self, row: int, other: int) -> float:
        (shingles, numbers), (other_shingles, other_numbers) = self.content(row), self.content(other)
        # In a few words a number makes the difference: "5 minutes" and "6 minutes" are two orders.
        if self.by_letters and numbers != other_numbers:
            return 0.0
        return jaccard(shingles, other_shingles)

    def _content(self, row: int) -> tuple[frozenset[str], tuple[str, ...]]:
        text = self.boilerplate.without(self.store.key(row))
        numbers = tuple(sorted(_DIGITS.findall(text)))
        if self.by_letters:
            return frozenset(text[i : i + _LETTERS] for i in range(max(1, len(text) - _LETTERS + 1))), numbers
        words = text.split(" ")
        windows = word_windows(words, self.policy.shingle_words) or [(0, len(words))]
        return frozenset(" ".join(words[first:end]) for first, end in windows), numbers


def jaccard(first: frozenset[str], second: frozenset[str]) -> float:
    """Size of the intersection over size of the union; 1 for two empty sets."""
    both = len(first & second)
    union = len(first) + len(second) - both
    return both / union if union else 1.0


def _candidates(columns: NDArray[np.uint8]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Pairs (smaller, larger row number) that agree in all columns: close in sorted order, or one is the first."""
    keys = np.zeros(len(columns), np.uint64)
    for column in columns.T:
        keys = keys * np.uint64(0x100000001B3) + column
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    is_first = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    first = np.maximum.accumulate(np.where(is_first, np.arange(len(keys)), 0))
    for lag in range(1, _LAGS + 1):
        at = np.flatnonzero(ordered[lag:] == ordered[:-lag])
        if not len(at):
            return
        yield order[at], order[at + lag]
    beyond = np.flatnonzero(np.arange(len(keys)) - first > _LAGS)
    if len(beyond):
        yield order[first[beyond]], order[beyond]


@lru_cache
def _bands(threshold: float, permutations: int) -> tuple[int, int]:
    """(bands, values in each) as datasketch chooses them, with a missed pair worth 99 false candidates."""
    from datasketch import MinHashLSH

    chosen = MinHashLSH(threshold=threshold, num_perm=permutations, weights=(0.01, 0.99))
    return int(chosen.b), int(chosen.r)


@lru_cache
def _permutations(count: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    from datasketch import MinHash

    a, b = MinHash(num_perm=count, scheme="affine32").permutations
    return a, b


def signatures(shingled: Shingled, permutations: int = 128) -> NDArray[np.uint32]:
    """MinHash values (rows, permutations) of texts that have a shingle each; datasketch's scheme ``affine32``.

    Its input hash is the upper half of our 64-bit one; then MurmurHash3's finalizer, then a * h + b modulo 2^32.
    """
    h = (shingled.hashes >> np.uint64(32)).astype(np.uint32)
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    h ^= h >> np.uint32(16)
    values = np.full((permutations, len(shingled.counts)), np.iinfo(np.uint32).max, np.uint32)
    filled = np.flatnonzero(shingled.counts)
    if len(filled):
        buffer = np.empty_like(h)
        for number, (a, b) in enumerate(zip(*_permutations(permutations), strict=True)):
            np.multiply(h, a, out=buffer)
            np.add(buffer, b, out=buffer)
            values[number, filled] = np.minimum.reduceat(buffer, shingled.starts[filled])
    return np.ascontiguousarray(values.T)
