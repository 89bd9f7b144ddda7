"""The choices of one preparation, the same for the command line and a recipe."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Policy"]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """``format`` None: detected from the rows. ``threshold``: Jaccard similarity of shingles from which rows are near.

    ``near_duplicates``: ``group`` keeps them in one split, ``drop`` keeps the first of each group. ``overlap_words``: a
    training row that shares this many consecutive words with the test split is dropped; 0 turns this off.
    ``tokenizer``: a directory with tokenizer.json; lengths are counted in its tokens, and rows longer than
    ``max_length`` are reported. ``embeddings``: a directory with a model2vec model, for semantic diversity.
    ``stdin_type``: the format of standard input, if it is among the sources.
    """

    format: str | None = None
    instruction: str | None = None
    strict: bool = False
    validation_fraction: float = 0.1
    test_fraction: float = 0.1
    seed: int = 0
    near_duplicates: Literal["group", "drop", "ignore"] = "group"
    threshold: float = 0.8
    permutations: int = 128
    shingle_words: int = 5
    overlap_words: int = 13
    echoes: Literal["drop", "keep"] = "drop"
    personal_data: Literal["note", "mask", "drop", "ignore"] = "note"
    presidio: bool = False
    slices: tuple[str, ...] = ()
    benchmarks: tuple[str, ...] = ()
    max_rows: tuple[tuple[str, int], ...] = ()
    tokenizer: str | None = None
    max_length: int | None = None
    embeddings: str | None = None
    languages: bool = True
    stdin_type: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """What dataset.json records: everything except paths of this machine."""
        left_out = ("benchmarks", "tokenizer", "embeddings", "stdin_type")
        return {name: value for name, value in asdict(self).items() if name not in left_out}
