"""Rows that together contain what is unusual in a dataset: what breaks a tokenizer is rarely in the first ones."""

from __future__ import annotations

import heapq
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from olivepress.core.sampling import evenly_spread
from olivepress.data.store.examples import SPLITS, Example
from olivepress.data.store.reader import read_split

__all__ = ["NamedRow", "named_rows", "varied_rows"]

_MOST_CHARACTERS = 20_000  # of a row are looked at
# What is more than its characters: how they stand together.
_SHAPES = {
    "spaces at the start": re.compile(r"\A\s"),
    "spaces at the end": re.compile(r"\s\Z"),
    "several spaces": re.compile(r" {2}"),
    "spaces before a line end": re.compile(r"[ \t]\n"),
    "Windows line end": re.compile(r"\r\n"),
    "empty lines": re.compile(r"\n\s*\n"),
    "indented line": re.compile(r"\n[ \t]"),
    "a number of two digits": re.compile(r"(?<!\d)\d{2}(?!\d)"),
    "a number of three digits": re.compile(r"(?<!\d)\d{3}(?!\d)"),
    "a long number": re.compile(r"\d{4}"),
    "digits and letters": re.compile(r"\d[^\W\d_]|[^\W\d_]\d"),
    "contraction": re.compile(r"\w['\u2019](?:s|t|re|ve|m|ll|d)\b"),
    "contraction in capitals": re.compile(r"\w['\u2019](?:S|T|RE|VE|M|LL|D)\b"),
    "several marks": re.compile(r"[^\w\s]{3}"),
    "a mark behind a space": re.compile(r" [^\w\s]"),
    "a mark and a line end": re.compile(r"[^\w\s]\n"),
    "underscore": re.compile(r"\w_\w|__"),
    "a word in capitals": re.compile(r"[A-Z]{4}"),
    "a very long word": re.compile(r"\S{60}"),
}


@dataclass(frozen=True, kw_only=True)
class NamedRow:
    """``name`` is what a person knows the row by."""

    name: str
    row: Example


def named_rows(dataset: Path) -> list[NamedRow]:
    """The rows of every split that is there. DataError as ``read_split``."""
    return [
        NamedRow(name=f"row {row.id} of {split}", row=row)
        for split in SPLITS
        if (dataset / f"{split}.jsonl").is_file()
        for row in read_split(dataset, split).rows
    ]


def varied_rows(rows: Sequence[NamedRow], most: int) -> list[NamedRow]:
    """At most ``most`` rows: first those that add most characters and shapes to what the chosen ones have, as many as
    two thirds, then rows evenly spread over all the others."""
    chosen = list(_covering(rows, most * 2 // 3))
    taken = set(chosen)
    others = [index for index in range(len(rows)) if index not in taken]
    room = min(most - len(chosen), len(others))
    return [rows[index] for index in (*chosen, *evenly_spread(others, room))]


def _covering(rows: Sequence[NamedRow], most: int) -> Iterator[int]:
    """Indices of rows, greedily: the next one is the one with most features that none before it has."""
    heap: list[tuple[int, int, frozenset[str]]] = []
    seen: set[str] = set()
    for index, each in enumerate(rows):
        features = _features(each.row)
        if not features <= seen:  # what is new in no row of its turn is new in none
            seen |= features
            heap.append((-len(features), index, features))
    heapq.heapify(heap)
    covered: set[str] = set()
    while heap and most:
        claimed, index, features = heapq.heappop(heap)
        gain = len(features - covered)
        if gain == -claimed:
            covered |= features
            most -= 1
            yield index
        elif gain:
            heapq.heappush(heap, (-gain, index, features))


def _features(row: Example) -> frozenset[str]:
    """The characters of a row and the names of the shapes in its texts."""
    texts = [str(message["content"])[:_MOST_CHARACTERS] for message in row.messages]
    called = [calls for message in row.messages if (calls := message.get("tool_calls"))]
    if called or row.tools:
        texts.append(json.dumps([called, row.tools], ensure_ascii=False)[:_MOST_CHARACTERS])
    shapes = (name for name, pattern in _SHAPES.items() if any(map(pattern.search, texts)))
    return frozenset(character for text in texts for character in set(text)) | frozenset(shapes)
