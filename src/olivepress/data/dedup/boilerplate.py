"""Words that many rows share because they come from a template; comparisons leave them out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from olivepress.data.text.words import count_words, word_windows

__all__ = ["SHORT_WORDS", "Boilerplate"]

# Rows of fewer words are compared by letters, without the words of a template.
SHORT_WORDS = 32
_SIZE = 8
_SHARE, _EVERYWHERE, _ROWS = 0.25, 0.9, 20


class Boilerplate:
    """The phrases of templates in a sample of rows: eight words found in over a quarter of them, and in 20 or more.

    A short row is compared without them: "Book a flight from X to Y" asks something else with each X and Y. A longer
    one is compared without those that occur in nine of ten rows (an instruction). ``share`` is the share of the
    sample's rows that contain a template.
    """

    def __init__(self, sample: Sequence[str]) -> None:
        counts: Counter[tuple[str, ...]] = Counter()
        for text in sample:
            counts.update(set(_phrases(text.split(" "))))
        many = max(_ROWS, _SHARE * len(sample) + 1)
        self.phrases = frozenset(phrase for phrase, count in counts.items() if count >= many)
        nearly_all = max(_ROWS, _EVERYWHERE * len(sample))
        self.everywhere = frozenset(phrase for phrase in self.phrases if counts[phrase] >= nearly_all)
        self.share = 0.0
        if self.phrases:
            self.share = sum(not self.phrases.isdisjoint(_phrases(text.split(" "))) for text in sample) / len(sample)

    def without(self, text: str) -> str:
        """The words by which the text is compared; all of them when none would be left."""
        if not self.phrases:
            return text
        words = text.split(" ")
        common = _common(words, self.phrases if count_words(text) < SHORT_WORDS else self.everywhere)
        return " ".join(word for word, shared in zip(words, common, strict=True) if not shared) or text

    def own_windows(self, texts: Sequence[str], size: int) -> NDArray[np.bool_]:
        """Which windows of ``size`` words, text after text, belong to no template, at least for half of their words."""
        own = [np.empty(0, bool)]
        for text in texts:
            words = text.split(" ")
            if windows := word_windows(words, size):
                first, end = np.array(windows).T
                before = np.concatenate([[0], np.cumsum(_common(words, self.phrases))])
                own.append((before[end] - before[first]) * 2 <= end - first)
        return np.concatenate(own)


def _phrases(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[first:end]) for first, end in word_windows(words, _SIZE)]


def _common(words: Sequence[str], phrases: frozenset[tuple[str, ...]]) -> list[bool]:
    """For each word, whether it is part of one of ``phrases``."""
    common = [False] * len(words)
    for first, end in word_windows(words, _SIZE):
        if tuple(words[first:end]) in phrases:
            common[first:end] = [True] * (end - first)
    return common
