"""Rows on disk while a dataset is made: their lines and keys in files, a few numbers of each in memory.

A million rows take about 100 MB here, whatever their length.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from olivepress.data.prepare.words import count_words

__all__ = ["BENCHMARK", "Spool", "digest64"]

BENCHMARK = 3  # beside the numbers of SPLITS: a row that is only held against, never written


def digest64(text: str) -> int:
    """64 bits of a BLAKE2b digest: equal texts have equal numbers, others with a chance of 5e-20 a pair."""
    return int.from_bytes(hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


class _Lines:
    """Texts one after the other in a file, found again by their number."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: BinaryIO = path.open("w+b")
        self.ends = array("q", [0])

    def append(self, text: str) -> None:
        raw = text.encode("utf-8", errors="replace")
        self.file.write(raw)
        self.ends.append(self.ends[-1] + len(raw))

    def read(self, number: int) -> bytes:
        begin = self.ends[number]
        self.file.seek(begin)
        return self.file.read(self.ends[number + 1] - begin)

    def blocks(self, rows: int) -> Iterator[tuple[int, list[bytes]]]:
        """(number of the first, lines) for ``rows`` lines at a time, in order."""
        self.file.flush()
        with self.path.open("rb") as file:
            for first in range(0, len(self.ends) - 1, rows):
                last = min(first + rows, len(self.ends) - 1)
                start = self.ends[first]
                raw = file.read(self.ends[last] - start)
                yield first, [raw[self.ends[i] - start : self.ends[i + 1] - start] for i in range(first, last)]


class Spool:
    """All rows that could be used, in the order they were read; ``close`` it."""

    def __init__(self, directory: Path) -> None:
        self.lines, self.keys = _Lines(directory / "lines"), _Lines(directory / "keys")
        self._file, self._line, self._row = array("I"), array("I"), array("I")
        self._split, self._label = array("b"), array("i")
        self._prompt, self._asked, self._pair, self._content = array("Q"), array("Q"), array("Q"), array("Q")
        self._words = array("I")
        self._id, self._ordinal = array("Q"), array("I")
        self._opening, self._opening_row = array("Q"), array("I")
        self.labels: list[str] = []
        self._label_numbers: dict[str | None, int] = {None: -1}

    def __len__(self) -> int:
        return len(self._file)

    def append(
        self,
        line: str,
        key: str,
        *,
        file: int,
        at: int,
        row_number: int,
        split: int,
        ordinal: int,
        label: str | None,
        prompt: int,
        asked: int,
        pair: int,
        id_number: int,
        openings: Sequence[int] = (),
    ) -> None:
        """Add a row: its canonical line, its key as words with one space between, and where it came from.

        ``ordinal`` counts the rows read of its split; ``prompt``, ``asked``, ``pair`` and ``openings`` are
        digests (``Keys``); ``id_number`` is its id as a number.
        """
        self.lines.append(line)
        self.keys.append(key)
        if label not in self._label_numbers:
            self._label_numbers[label] = len(self.labels)
            self.labels.append(str(label))
        self._file.append(file)
        self._line.append(at)
        self._row.append(row_number)
        self._split.append(split)
        self._label.append(self._label_numbers[label])
        self._prompt.append(prompt)
        self._asked.append(asked)
        self._pair.append(pair)
        self._content.append(digest64(line))
        self._words.append(count_words(key))
        self._id.append(id_number)
        self._ordinal.append(ordinal)
        self._opening.extend(openings)
        self._opening_row.extend([len(self) - 1] * len(openings))

    @property
    def files(self) -> NDArray[np.uint32]:
        return np.frombuffer(self._file, np.uint32)

    @property
    def line_numbers(self) -> NDArray[np.uint32]:
        return np.frombuffer(self._line, np.uint32)

    @property
    def row_numbers(self) -> NDArray[np.uint32]:
        """Which row of its file each one is."""
        return np.frombuffer(self._row, np.uint32)

    @property
    def splits(self) -> NDArray[np.int8]:
        """Numbers of SPLITS, or BENCHMARK."""
        return np.frombuffer(self._split, np.int8)

    @property
    def label_numbers(self) -> NDArray[np.int32]:
        return np.frombuffer(self._label, np.int32)

    @property
    def prompts(self) -> NDArray[np.uint64]:
        return np.frombuffer(self._prompt, np.uint64)

    @property
    def asked(self) -> NDArray[np.uint64]:
        return np.frombuffer(self._asked, np.uint64)

    @property
    def contents(self) -> NDArray[np.uint64]:
        """Digests of the lines: an order of rows that does not depend on the files they came from."""
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
        """Words of each key."""
        return np.frombuffer(self._words, np.uint32)

    @property
    def openings(self) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
        """Digests of the conversations that rows begin with, as their ``pairs`` would be, and these rows."""
        return np.frombuffer(self._opening, np.uint64), np.frombuffer(self._opening_row, np.uint32).astype(np.int64)

    def line(self, number: int) -> str:
        return self.lines.read(number).decode("utf-8")

    def key(self, number: int) -> str:
        return self.keys.read(number).decode("utf-8")

    def some_keys(self, numbers: Iterable[int]) -> list[str]:
        return [self.key(number) for number in numbers]

    def close(self) -> None:
        self.lines.file.close()
        self.keys.file.close()
