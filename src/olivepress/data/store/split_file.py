"""The examples of a split file of any size, read one at a time."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import overload

from olivepress.data.store.examples import Example, parse_example

__all__ = ["SplitFile"]


class SplitFile(Sequence[Example]):
    """The examples of a JSONL file that olivepress wrote. Only the offsets of its lines are in memory.

    ``owner`` keeps the file alive: a scratch directory that is deleted with its last reference.
    """

    def __init__(self, path: Path, owner: object = None) -> None:
        self.path, self.owner = path, owner
        self._offsets = array("q", [0])
        with path.open("rb") as file:
            for line in file:
                self._offsets.append(self._offsets[-1] + len(line))

    def __len__(self) -> int:
        return len(self._offsets) - 1

    def __iter__(self) -> Iterator[Example]:
        with self.path.open(encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, start=1):
                yield parse_example(line, f"{self.path}:{number}")

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        if isinstance(index, slice):
            return [self[number] for number in range(*index.indices(len(self)))]
        number = range(len(self))[index]
        with self.path.open("rb") as file:
            file.seek(self._offsets[number])
            line = file.read(self._offsets[number + 1] - self._offsets[number]).decode("utf-8")
        return parse_example(line, f"{self.path}:{number + 1}")

    def lines(self) -> Iterator[bytes]:
        """The lines as they are in the file."""
        with self.path.open("rb") as file:
            yield from file
