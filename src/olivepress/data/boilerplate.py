"""Words that many rows share because a template put them there, and where they do not count."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["SHORT_WORDS", "Boilerplate"]

# Rows of fewer words are compared by letters, without the words of a template.
SHORT_WORDS = 32
_SIZE = 8
_SHARE, _EVERYWHERE, _ROWS = 0.25, 0.9, 20


class Boilerplate:
    """The words of templates in a sample of rows: eight in a row that more than a quarter of them hold, 20 at least.

    A short row is compared without them: "Book a flight from X to Y" asks another thing with each X and Y. A longer one
    is compared with all its words but those that nine of ten rows hold (an instruction). ``share``: of the sample's
    rows, those that hold a template.
    """

    def __init__(self, sample: Sequence[str]) -> None:
        seen: Counter[tuple[str, ...]] = Counter()
        for text in sample:
            seen.update(set(_phrases(text.split(" "))))
        least = max(_ROWS, _SHARE * len(sample) + 1)
        self.phrases = frozenset(phrase for phrase, count in seen.items() if count >= least)
        most = max(_ROWS, _EVERYWHERE * len(sample))
        self.everywhere = frozenset(phrase for phrase in self.phrases if seen[phrase] >= most)
        self.share = 0.0
        if self.phrases:
            self.share = sum(not self.phrases.isdisjoint(_phrases(text.split(" "))) for text in sample) / len(sample)

    def without(self, text: str) -> str:
        """The words by which the text is compared; all of them when none would be left."""
        if not self.phrases:
            return text
        words = text.split(" ")
        common = _common(words, self.phrases if len(words) < SHORT_WORDS else self.everywhere)
        return " ".join(word for word, shared in zip(words, common, strict=True) if not shared) or text

    def own_windows(self, texts: Sequence[str], size: int) -> NDArray[np.bool_]:
        """Which windows of ``size`` words, text after text, are no template's: half of their words or more are not."""
        found = [np.empty(0, bool)]
        for text in texts:
            words = text.split(" ")
            if len(words) >= size:
                before = np.concatenate([[0], np.cumsum(_common(words, self.phrases))])
                found.append((before[size:] - before[:-size]) * 2 <= size)
        return np.concatenate(found)


def _phrases(words: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(words[i : i + _SIZE]) for i in range(len(words) - _SIZE + 1)]


def _common(words: Sequence[str], phrases: frozenset[tuple[str, ...]]) -> list[bool]:
    """Word by word: whether it stands in one of ``phrases``."""
    common = [False] * len(words)
    for place, phrase in enumerate(_phrases(words)):
        if phrase in phrases:
            common[place : place + _SIZE] = [True] * _SIZE
    return common
