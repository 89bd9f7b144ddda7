"""Statistics of the kept rows: lengths, classes, diversity, languages."""

from __future__ import annotations

import json
from array import array
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.core.errors import DataError, SetupError
from olivepress.data.text.words import comparable

__all__ = ["Collector", "Statistics", "distinct", "language_shares", "load_token_counter"]

_SAMPLE = 2000
_TOKEN_BATCH = 512
_BINS = 30
# The most common languages: all 75 of lingua would take 1 GB of memory.
_LANGUAGES = (
    "ARABIC", "BENGALI", "CHINESE", "CZECH", "DANISH", "DUTCH", "ENGLISH", "FINNISH", "FRENCH", "GERMAN", "GREEK",
    "GUJARATI", "HEBREW", "HINDI", "HUNGARIAN", "INDONESIAN", "ITALIAN", "JAPANESE", "KOREAN", "MARATHI", "PERSIAN",
    "POLISH", "PORTUGUESE", "PUNJABI", "ROMANIAN", "RUSSIAN", "SPANISH", "SWEDISH", "TAMIL", "TELUGU", "THAI",
    "TURKISH", "UKRAINIAN", "URDU", "VIETNAMESE",
)  # fmt: skip
_SAME_MEANING = 0.9  # cosine, as SemHash's own default
_MINIMUM_LETTERS = 12  # of a text whose language can be detected


@dataclass(frozen=True, kw_only=True)
class Statistics:
    """``lengths``: prompt, answer or both → quantiles and histogram (edges, counts), in ``unit``; ``labels`` by split.

    ``distinct_1`` and ``distinct_2`` are of ``sampled`` prompts (Li et al. 2016: distinct n-grams over all n-grams);
    ``languages`` are shares of those sampled prompts whose language was detected; ``semantic_diversity`` is the share
    of prompts without another one of the same meaning. None: not measured. ``labels_are_answers``: every answer is
    exactly its class.
    """

    unit: str
    lengths: dict[str, dict[str, Any]]
    over_max_length: int | None
    labels: dict[str, dict[str, int]]
    sampled: int
    distinct_1: float | None
    distinct_2: float | None
    languages: dict[str, float] | None
    languages_why: str | None
    semantic_diversity: float | None = None
    labels_are_answers: bool = True


class Collector:
    """Collects kept rows one by one; ``sample`` are the places of those that shares are computed from."""

    def __init__(self, *, tokenizer: str | None, max_length: int | None, rows: int, seed: int) -> None:
        self.count = load_token_counter(tokenizer) if tokenizer else None
        self.max_length = max_length
        size = min(_SAMPLE, rows)
        self.sample = set(np.random.default_rng(seed).choice(rows, size, replace=False).tolist()) if rows else set()
        self.sampled: list[str] = []
        self.lengths = {"prompt": array("I"), "answer": array("I")}
        self.labels: dict[str, Counter[str]] = {}
        self.labels_are_answers = True
        self.waiting: list[tuple[str, str]] = []
        self.place = 0

    def add(self, split: str, line: str) -> None:
        """Add a kept row by its line."""
        row = json.loads(line)
        messages = row["messages"]
        prompt = messages[0]["content"] if len(messages) == 2 else "\n".join(m["content"] for m in messages[:-1])
        answer = messages[-1]["content"]
        if row["label"] is not None:
            self.labels.setdefault(split, Counter())[row["label"]] += 1
            self.labels_are_answers = self.labels_are_answers and row["label"] == answer
        if self.place in self.sample:
            self.sampled.append(prompt or answer)
        self.place += 1
        if self.count is None:
            self.lengths["prompt"].append(len(prompt))
            self.lengths["answer"].append(len(answer))
            return
        self.waiting.append((prompt, answer))
        if len(self.waiting) >= _TOKEN_BATCH:
            self._count()

    def _count(self) -> None:
        if self.count is not None and self.waiting:
            for name, texts in zip(self.lengths, zip(*self.waiting, strict=True), strict=True):
                self.lengths[name].extend(self.count(texts))
            self.waiting.clear()

    def statistics(self, *, languages: bool, embeddings: str | None = None) -> Statistics:
        """The statistics of all rows added."""
        self._count()
        lengths = {name: np.frombuffer(values, np.uint32).astype(np.int64) for name, values in self.lengths.items()}
        lengths["both"] = lengths["prompt"] + lengths["answer"]
        over = None
        if self.count is not None and self.max_length is not None:
            over = int(np.count_nonzero(lengths["both"] > self.max_length))
        shares, reason = language_shares(self.sampled) if languages else (None, "not requested")
        return Statistics(
            unit="tokens" if self.count else "characters",
            lengths={name: _distribution(values) for name, values in lengths.items()},
            over_max_length=over,
            labels={split: dict(counts.most_common()) for split, counts in self.labels.items()},
            sampled=len(self.sampled),
            distinct_1=distinct(self.sampled, 1),
            distinct_2=distinct(self.sampled, 2),
            languages=shares,
            languages_why=reason,
            semantic_diversity=semantic_diversity(self.sampled, embeddings) if embeddings else None,
            labels_are_answers=self.labels_are_answers,
        )


def _distribution(values: Any) -> dict[str, Any]:
    if not len(values):
        return {"n": 0}
    counts, edges = np.histogram(values, bins=min(_BINS, int(values.max() - values.min()) + 1))
    quantiles = np.percentile(values, [50, 95, 99])
    return {
        "n": len(values),
        "minimum": int(values.min()),
        "median": float(quantiles[0]),
        "p95": float(quantiles[1]),
        "p99": float(quantiles[2]),
        "maximum": int(values.max()),
        "mean": round(float(values.mean()), 3),
        "edges": [round(float(edge), 2) for edge in edges],
        "counts": [int(count) for count in counts],
    }


def load_token_counter(directory: str) -> Any:
    """A function texts → token counts, by the ``tokenizer.json`` in ``directory``; nothing is downloaded.

    Raises DataError when there is none, SetupError without the package tokenizers.
    """
    path = Path(directory)
    path = path / "tokenizer.json" if path.is_dir() else path
    if not path.is_file():
        raise DataError(f"{path}: no such tokenizer", next_step="give a model's directory with a tokenizer.json")
    try:
        from tokenizers import Tokenizer
    except ImportError as error:
        raise SetupError("counting tokens needs tokenizers", next_step="pip install 'olivepress[data]'") from error
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as error:
        message = f"{path}: not readable as a tokenizer ({str(error).splitlines()[0][:80]})"
        raise DataError(message, next_step="fetch the model's tokenizer.json again") from None

    def count(texts: Sequence[str]) -> list[int]:
        encoded = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
        return [len(encoding.ids) for encoding in encoded]

    return count


def distinct(texts: Sequence[str], n: int) -> float | None:
    """Distinct n-grams of words over all n-grams (Li et al. 2016); None if there are none."""
    unique: set[tuple[str, ...]] = set()
    total = 0
    for text in texts:
        words = comparable(text).split()
        grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
        unique.update(grams)
        total += len(grams)
    return round(len(unique) / total, 4) if total else None


def semantic_diversity(texts: Sequence[str], directory: str) -> float | None:
    """Share of texts that SemHash keeps when it keeps one of those with a cosine of 0.9 or more; None for no text.

    ``directory`` contains a model2vec model; nothing is downloaded. Raises DataError if it does not, SetupError without
    the extra [diversity].
    """
    try:
        from model2vec import StaticModel
        from semhash import SemHash
    except ImportError as error:
        raise SetupError(
            f"semantic diversity needs the package {error.name}", next_step="pip install 'olivepress[diversity]'"
        ) from error
    if not Path(directory).is_dir():
        raise DataError(f"{directory}: no directory with a model2vec model", next_step="--embeddings DIR")
    try:
        model = StaticModel.from_pretrained(directory)
    except Exception as error:
        message = f"{directory}: not readable as a model2vec model ({str(error).splitlines()[0][:80]})"
        raise DataError(message, next_step="fetch the model again") from None
    if not texts:
        return None
    kept = SemHash.from_records(list(texts), model=model).self_deduplicate(threshold=_SAME_MEANING)
    return round(1 - float(kept.duplicate_ratio), 4)


def language_shares(texts: Sequence[str]) -> tuple[dict[str, float] | None, str | None]:
    """ISO 639-1 code → share of the texts, largest first, or None and the reason. Short texts do not count."""
    try:
        from lingua import Language, LanguageDetectorBuilder
    except ImportError:
        return None, "lingua-language-detector is not installed"
    long_enough = [text[:1000] for text in texts if sum(map(str.isalpha, text[:1000])) >= _MINIMUM_LETTERS]
    if not long_enough:
        return None, f"no text has {_MINIMUM_LETTERS} letters"
    chosen = [getattr(Language, name) for name in _LANGUAGES]
    detector = LanguageDetectorBuilder.from_languages(*chosen).build()
    languages = detector.detect_languages_in_parallel_of(long_enough)
    counts = Counter(language.iso_code_639_1.name.lower() for language in languages if language)
    detector.unload_language_models()  # type: ignore[no-untyped-call]
    return {code: round(count / len(long_enough), 4) for code, count in counts.most_common()}, None
