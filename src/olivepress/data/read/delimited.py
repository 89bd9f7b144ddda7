"""Tables as text: CSV and TSV with a header."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from olivepress.core.errors import DataError
from olivepress.data.read.lines import physical_lines
from olivepress.data.read.raw_rows import MAX_ROW_BYTES, TOO_LONG, RawRow, decode

__all__ = ["column_names", "table_rows"]

_HEAD = 65_536
_MANY_LINES, _IN_FULL = 20, 3


class _LineTooLong(Exception):
    pass


def table_rows(path: Path, file: BinaryIO, suffix: str) -> Iterator[RawRow]:
    """Rows of a table; a row with more or fewer columns than the header is a problem."""
    csv.field_size_limit(MAX_ROW_BYTES)
    delimiter = _delimiter(file, suffix)
    source = _Decoded(file, delimiter)
    reader = csv.reader(source, delimiter=delimiter, strict=True)
    header: list[str] | None = None
    odd = 0
    while True:
        line = source.number + 1
        source.begin(0 if header is None else len(header))
        try:
            row = next(reader, None)
        except csv.Error as error:
            yield RawRow(line, None, f"not valid CSV ({error})" + _until(line, source.number))
            continue
        except _LineTooLong:
            yield RawRow(line, None, TOO_LONG)
            continue
        if row is None:
            if header is None:
                raise DataError(
                    f"{path}: is empty, expected a header and rows", next_step="give a file that contains rows"
                )
            return
        if not row:
            continue
        if header is None:
            header = column_names(path, row)
        elif len(row) != len(header):
            until = _until(line, source.number) if source.is_odd else ""
            yield RawRow(line, None, f"{len(header)} columns expected, {len(row)} found{until}")
        else:
            odd += source.is_odd
            note = _spans(line, source.number, odd) if source.is_odd else None
            yield RawRow(line, dict(zip(header, row, strict=True)), None, source.changed, note)


def _until(first: int, last: int) -> str:
    return f", to line {last}" if last > first else ""


def _spans(first: int, last: int, number: int) -> str:
    """The first rows that span many lines are noted with their lines; further ones share one note."""
    lines = f"lines {first} to {last}" if number <= _IN_FULL else "many lines"
    return f"row spans {lines}: a stray quote?"


def column_names(where: object, row: list[str]) -> list[str]:
    """The header's names. Raises DataError when one occurs twice."""
    header = [name.strip() for name in row]
    if len(set(header)) != len(header):
        repeated = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{where}:1: column {repeated!r} occurs twice", next_step="name each column once")
    return header


def _delimiter(file: BinaryIO, suffix: str) -> str:
    """Tab for .tsv; for .csv the delimiter of the header, by default a comma."""
    if suffix == ".tsv":
        return "\t"
    start = file.tell()
    header = file.readline(_HEAD)
    file.seek(start)
    return max(",;\t|", key=lambda mark: header.count(mark.encode()))


class _Decoded:
    """The lines of the file as text for ``csv``; since ``begin``: what was recoded, and whether the row is odd."""

    def __init__(self, file: BinaryIO, delimiter: str) -> None:
        self.lines, self.delimiter = physical_lines(file), delimiter
        self.number = 0
        self.begin(0)

    def begin(self, columns: int) -> None:
        self.columns, self.count, self.row_like = columns, 0, 0
        self.changed: str | None = None

    @property
    def is_odd(self) -> bool:
        """Whether the row is long, or half of the lines inside its quotes look like rows."""
        return self.count > _MANY_LINES or 0 < self.row_like >= (self.count - 2) / 2

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        self.number, raw = next(self.lines)
        if raw is None:
            raise _LineTooLong
        text, changed = decode(raw)
        self.changed = self.changed or changed
        self.count += 1
        if self.count > 1 and self.columns > 1 and '"' not in text and f"{self.delimiter} " not in text:
            self.row_like += text.count(self.delimiter) == self.columns - 1
        return text
