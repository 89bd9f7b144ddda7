"""The rows of a dataset while it is prepared: their lines and keys in files, a few numbers of each in memory.

A million rows take about 100 MB of memory, whatever their length.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from olivepress.data.text.words import count_words

__all__ = ["BENCHMARK", "Keys", "Origin", "RowStore", "digest64"]

BENCHMARK = 3  # next to the indices of SPLITS: a row that others are compared with, never written


def digest64(text: str) -> int:
    """64 bits of a BLAKE2b digest: equal texts have equal numbers, others with a probability of 5e-20 per pair."""
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


@dataclass(frozen=True, kw_only=True, slots=True)
class Keys:
    """What a row is compared by. ``near``: its words, for near duplicates; the others are digests.

    ``prompt`` is of everything before the answer and ``pair`` includes the answer, both without case, spaces and
    punctuation; ``punctuated_prompt`` is of the prompt with its punctuation; ``openings``: the ``pair`` of each shorter
    conversation that this one begins with.
    """

    near: str
    prompt: int
    punctuated_prompt: int
    pair: int
    openings: tuple[int, ...] = ()


class Origin(NamedTuple):
    """Where a row was read: ``file`` and ``split`` are numbers, ``row`` counts in the file, ``ordinal`` in the split.

    ``line`` and ``row`` count from 1; ``split`` is an index of SPLITS, or BENCHMARK.
    """

    file: int
    line: int
    row: int
    split: int
    ordinal: int = 0


class _TextFile:
    """Texts one after the other in a file, read by their number."""

    def __init__(self, path: Path) -> None:
        self.file: BinaryIO = path.open("w+b")
        self.ends = array("q", [0])

    def append(self, text: str) -> None:
        raw = text.encode("utf-8", errors="replace")
        self.file.write(raw)
        self.ends.append(self.ends[-1] + len(raw))

    def read(self, number: int) -> bytes:
        start = self.ends[number]
        self.file.seek(start)
        return self.file.read(self.ends[number + 1] - start)


class RowStore:
    """All rows that may be used, in the order they were read; ``close`` it."""

    def __init__(self, directory: Path) -> None:
        self._lines, self._keys = _TextFile(directory / "lines"), _TextFile(directory / "keys")
        self._file, self._line, self._row = array("I"), array("I"), array("I")
        self._split, self._label = array("b"), array("i")
        self._prompt, self._punctuated, self._pair, self._content = array("Q"), array("Q"), array("Q"), array("Q")
        self._words = array("I")
        self._id, self._ordinal = array("Q"), array("I")
        self._opening, self._opening_row = array("Q"), array("I")
        self._label_numbers: dict[str | None, int] = {None: -1}

    def __len__(self) -> int:
        return len(self._file)

    def append(self, line: str, keys: Keys, origin: Origin, *, label: str | None, id_number: int = 0) -> None:
        """Add a row by its canonical line; ``id_number`` is its id as a number."""
        self._lines.append(line)
        self._keys.append(keys.near)
        self._file.append(origin.file)
        self._line.append(origin.line)
        self._row.append(origin.row)
        self._split.append(origin.split)
        self._ordinal.append(origin.ordinal)
        self._label.append(self._label_numbers.setdefault(label, len(self._label_numbers) - 1))
        self._prompt.append(keys.prompt)
        self._punctuated.append(keys.punctuated_prompt)
        self._pair.append(keys.pair)
        self._content.append(digest64(line))
        self._words.append(count_words(keys.near))
        self._id.append(id_number)
        self._opening.extend(keys.openings)
        self._opening_row.extend([len(self) - 1] * len(keys.openings))

    @property
    def files(self) -> NDArray[np.uint32]:
        return np.frombuffer(self._file, np.uint32)

    @property
    def line_numbers(self) -> NDArray[np.uint32]:
        return np.frombuffer(self._line, np.uint32)

    @property
    def row_numbers(self) -> NDArray[np.uint32]:
        """The number of each row in its file."""
        return np.frombuffer(self._row, np.uint32)

    @property
    def splits(self) -> NDArray[np.int8]:
        """Indices of SPLITS, or BENCHMARK."""
        return np.frombuffer(self._split, np.int8)

    @property
    def label_numbers(self) -> NDArray[np.int32]:
        return np.frombuffer(self._label, np.int32)

    @property
    def prompts(self) -> NDArray[np.uint64]:
        return np.frombuffer(self._prompt, np.uint64)

    @property
    def punctuated_prompts(self) -> NDArray[np.uint64]:
        return np.frombuffer(self._punctuated, np.uint64)

    @property
    def contents(self) -> NDArray[np.uint64]:
        """Digests of the lines: they order rows independently of the files they came from."""
        return np.frombuffer(self._content, np.uint64)

    @property
    def pairs(self) -> NDArray[np.uint64]:
        return np.frombuffer(self._pair, np.uint64)

    @property
    def ids(self) -> NDArray[np.uint64]:
        return np.frombuffer(self._id, np.uint64)

    @property
    def ordinals(self) -> NDArray[np.int64]:
        return np.frombuffer(self._ordinal, np.uint32).astype(np.int64)

    @property
    def words(self) -> NDArray[np.uint32]:
        """The number of words of each key."""
        return np.frombuffer(self._words, np.uint32)

    @property
    def openings(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Digests of conversations that rows begin with, comparable with ``pairs``, and the numbers of these rows."""
        return np.frombuffer(self._opening, np.uint64), np.frombuffer(self._opening_row, np.uint32).astype(np.int64)

    def line(self, number: int) -> bytes:
        """The canonical line of a row."""
        return self._lines.read(number)

    def key(self, number: int) -> str:
        """The words of a row that near duplicates are found by."""
        return self._keys.read(number).decode("utf-8")

    def some_keys(self, numbers: Iterable[int]) -> list[str]:
        """The keys of several rows."""
        return [self.key(number) for number in numbers]

    def close(self) -> None:
        """Close the files, which the caller deletes with their directory."""
        self._lines.file.close()
        self._keys.file.close()
