"""Drift of prompts: can logged prompts be told from training prompts by their words?

A naive Bayes classifier on words is trained on one half of both and scores the other half; the area under its ROC
curve is 0.5 when they are alike and 1 when every prompt can be told apart (a classifier two-sample test: D. Lopez-Paz,
M. Oquab, ICLR 2017).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from olivepress.data.text.words import comparable

__all__ = ["Drift", "drift_of", "most_unlike"]

_MOST, _TELLING_WORDS = 2000, 12


@dataclass(frozen=True, kw_only=True)
class Drift:
    """``auc`` with its 95 % interval (Hanley and McNeil), over ``n`` logged and ``n_training`` training prompts that
    were scored. ``words`` are those that are most over-represented in the log. ``unseen``: share of the log's words
    that no training prompt has."""

    auc: float
    ci_low: float
    ci_high: float
    n: int
    n_training: int
    unseen: float
    words: tuple[str, ...]


def drift_of(logged: Sequence[str], training: Sequence[str], *, seed: int = 0) -> Drift | None:
    """None when either has fewer than four prompts. Same prompts and seed, same result."""
    generator = np.random.default_rng(seed)
    new, old = (_sampled(texts, generator) for texts in (logged, training))
    if min(len(new), len(old)) < 4:
        return None
    scores_new, scores_old = np.empty(len(new)), np.empty(len(old))
    for half in (0, 1):  # each half is scored by what the other one was trained on
        weights = _weights(new[1 - half :: 2], old[1 - half :: 2])
        scores_new[half::2] = [_score(words, weights) for words in new[half::2]]
        scores_old[half::2] = [_score(words, weights) for words in old[half::2]]
    auc = _auc(scores_new, scores_old)
    low, high = _interval(auc, len(new), len(old))
    known = {word for words in old for word in words}
    count = sum(map(len, new))
    unseen = sum(word not in known for words in new for word in words) / count if count else 0.0
    weights = _weights(new, old)
    frequent = Counter(word for words in new for word in set(words))
    words = [word for word in sorted(weights, key=lambda word: -weights[word]) if frequent[word] > 1]
    return Drift(
        auc=auc, ci_low=low, ci_high=high, n=len(new), n_training=len(old), unseen=unseen,
        words=tuple(words[:_TELLING_WORDS]),
    )  # fmt: skip


def most_unlike(logged: Sequence[str], training: Sequence[str], count: int) -> list[int]:
    """Places of at most ``count`` logged prompts whose words training has least, the least likely first. A prompt that
    training has is none of them, and of equal ones the first is."""
    known = {comparable(text) for text in training}
    places = dict[str, int]()
    for place, text in enumerate(logged):
        places.setdefault(comparable(text), place)
    different = {text: place for text, place in places.items() if text and text not in known}
    weights = _weights([text.split() for text in different], [text.split() for text in known])
    ordered = sorted(different, key=lambda text: -_score(text.split(), weights))
    return [different[text] for text in ordered[:count]]


def _sampled(texts: Sequence[str], generator: np.random.Generator) -> list[list[str]]:
    """The words of at most ``_MOST`` different texts, in random order: the same text in both halves is no evidence."""
    different = list(dict.fromkeys(comparable(text) for text in texts))
    order = generator.permutation(len(different))[:_MOST]
    return [different[place].split() for place in order.tolist()]


def _weights(new: Sequence[Sequence[str]], old: Sequence[Sequence[str]]) -> dict[str, float]:
    """Word → log of the ratio of its document frequencies, one added to each."""
    counts_new, counts_old = (Counter(word for words in texts for word in set(words)) for texts in (new, old))
    total_new, total_old = len(new) + 2, len(old) + 2
    return {
        word: math.log((counts_new[word] + 1) / total_new) - math.log((counts_old[word] + 1) / total_old)
        for word in counts_new.keys() | counts_old.keys()
    }


def _score(words: Sequence[str], weights: dict[str, float]) -> float:
    known = [weights[word] for word in sorted(set(words)) if word in weights]
    return sum(known) / len(known) if known else 0.0


def _auc(new: np.ndarray, old: np.ndarray) -> float:
    """P(score of a logged prompt > that of a training prompt), ties counted half."""
    ordered = np.sort(old)
    below, up_to = np.searchsorted(ordered, new, "left"), np.searchsorted(ordered, new, "right")
    return float((below + up_to).mean() / (2 * len(old)))


def _interval(auc: float, n: int, m: int) -> tuple[float, float]:
    """J. A. Hanley, B. J. McNeil, Radiology 143 (1982)."""
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    variance = (auc * (1 - auc) + (n - 1) * (q1 - auc * auc) + (m - 1) * (q2 - auc * auc)) / (n * m)
    half = 1.959963984540054 * math.sqrt(max(variance, 0.0))
    return max(auc - half, 0.0), min(auc + half, 1.0)
