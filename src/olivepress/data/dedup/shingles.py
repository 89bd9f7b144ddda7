"""Shingles of many texts at once, as polynomial hashes over letters and over words, computed without a loop over rows.

A text here is a key: words in lower case with one space between them, or the units of a script without spaces, which
count as parts of a word.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olivepress.data.text.words import WORD_PARTS, parts_of_letters

__all__ = ["Shingled", "letter_shingles", "mix_bits", "word_shingles"]

Hashes = NDArray[np.uint64]
# Odd multipliers: of MMIX's linear congruential generator (Knuth), and the fractional part of the golden ratio.
_LETTER, _WORD = np.uint64(6364136223846793005), np.uint64(0x9E3779B97F4A7C15)
_SPACE = 32
_LONGEST_WORD = 4096
_POWERS = np.ones(_LONGEST_WORD, np.uint64)
_POWERS[1:] = np.cumprod(np.full(_LONGEST_WORD - 1, _LETTER, np.uint64))


class Shingled:
    """Shingles of all texts in one array; those of text i are ``hashes[starts[i] : starts[i] + counts[i]]``."""

    def __init__(self, hashes: Hashes, counts: NDArray[np.int64]) -> None:
        self.hashes, self.counts = hashes, counts
        self.starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64)

    def of(self, number: int) -> Hashes:
        start = self.starts[number]
        return self.hashes[start : start + self.counts[number]]


def letter_shingles(texts: Sequence[str], size: int = 5) -> Shingled:
    """Every ``size`` letters in a row, spaces included; a shorter text is its one shingle."""
    padded = [text if len(text) >= size else text.ljust(size) for text in texts]
    letters = np.frombuffer("".join(padded).encode("utf-32-le", errors="surrogatepass"), np.uint32).astype(np.uint64)
    lengths = np.fromiter(map(len, padded), np.int64, len(padded))
    return _windows(letters, lengths, size, _LETTER)


def word_shingles(texts: Sequence[str], size: int) -> Shingled:
    """Every ``size`` words in a row; a shorter text has none."""
    joined = " ".join(texts)
    letters = np.frombuffer(joined.encode("utf-32-le", errors="surrogatepass"), np.uint32)
    words = np.fromiter((text.count(" ") + 1 if text else 1 for text in texts), np.int64, len(texts))
    if not len(letters):
        return Shingled(np.empty(0, np.uint64), np.zeros(len(texts), np.int64))
    breaks = np.flatnonzero(letters == _SPACE)
    begins = np.concatenate([[0], breaks + 1])
    position = (
        np.arange(len(letters))
        - np.repeat(begins, np.diff(np.concatenate([begins, [len(letters) + 1]])))[: len(letters)]
    )
    terms = (letters.astype(np.uint64) + np.uint64(1)) * _POWERS[np.minimum(position, _LONGEST_WORD - 1)]
    sums = np.concatenate([[np.uint64(0)], np.cumsum(terms, dtype=np.uint64)])
    ends = np.concatenate([breaks, [len(letters)]])
    hashes = mix_bits(sums[ends] - sums[begins])
    parts = parts_of_letters(letters[np.minimum(begins, len(letters) - 1)])
    if (parts == WORD_PARTS).all():
        return _windows(hashes, words, size, _WORD)
    return _windows_by_parts(hashes, words, parts, size * WORD_PARTS)


def _windows(units: Hashes, lengths: NDArray[np.int64], size: int, multiplier: np.uint64) -> Shingled:
    """A hash of every ``size`` units in a row that lie in one text."""
    if len(units) < size:
        return Shingled(np.empty(0, np.uint64), np.zeros(len(lengths), np.int64))
    hashes = np.zeros(len(units) - size + 1, np.uint64)
    for offset in range(size):
        hashes *= multiplier
        hashes += units[offset : len(units) - size + 1 + offset]
    counts = np.maximum(lengths - size + 1, 0)
    ends = np.cumsum(lengths)
    inside = np.ones(len(units) + 1, np.int8)
    # The last size - 1 units of a text begin no window in it.
    for offset in range(1, size):
        at = ends - offset
        inside[at[(lengths >= offset) & (at >= 0)]] = 0
    return Shingled(mix_bits(hashes[inside[: len(hashes)].astype(bool)]), counts)


def _windows_by_parts(units: Hashes, lengths: NDArray[np.int64], parts: NDArray[np.int64], size: int) -> Shingled:
    """A hash of every window of one text whose ``parts`` reach ``size``; that of ``_windows`` where all are words."""
    sums = np.concatenate([[0], np.cumsum(parts)])
    owners = np.repeat(np.arange(len(lengths)), lengths)
    starts = np.flatnonzero(sums[:-1] + size <= sums[np.cumsum(lengths)][owners])
    ends = np.searchsorted(sums, sums[starts] + size)
    powers = np.ones(len(units) + 1, np.uint64)
    powers[1:] = np.cumprod(np.full(len(units), _WORD, np.uint64))
    inverse = np.ones(len(units), np.uint64)
    inverse[1:] = np.cumprod(np.full(len(units) - 1, pow(int(_WORD), -1, 1 << 64), np.uint64))
    terms = np.concatenate([[np.uint64(0)], np.cumsum(units * inverse, dtype=np.uint64)])
    hashes = (terms[ends] - terms[starts]) * powers[ends - 1]
    return Shingled(mix_bits(hashes), np.bincount(owners[starts], minlength=len(lengths)))


def mix_bits(hashes: Hashes) -> Hashes:
    """The finalizer of SplitMix64 (Steele, Lea, Flood 2014): every output bit depends on every input bit."""
    hashes = (hashes ^ (hashes >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    hashes = (hashes ^ (hashes >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return hashes ^ (hashes >> np.uint64(31))
