"""Containers: JSON lines, JSON lists, CSV, Parquet and plain text become rows, one at a time.

A row that cannot be read is yielded with its reason, so that whoever counts rows counts it too.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from olivepress.bounded import open_regular, parse_json
from olivepress.data.file_kinds import check_head
from olivepress.data.json_elements import TooLong, elements
from olivepress.data.values import Written
from olivepress.errors import DataError

__all__ = ["MAX_ROW_BYTES", "RECODED", "SUFFIXES", "RawRow", "read_rows"]

SUFFIXES = (".csv", ".tsv", ".jsonl", ".ndjson", ".json", ".parquet", ".txt")
MAX_ROW_BYTES = 16 * 1024 * 1024
RECODED = "bytes that are not UTF-8, recoded"
_HEAD = 65_536
_MANY_LINES, _TOLD_IN_FULL = 20, 3


class RawRow(NamedTuple):
    """One row of a file: its 1-based line (or row number in a table), and its value or why there is none.

    ``changed`` and ``note``: what was done to it, and what is odd about it.
    """

    line: int
    value: dict[str, Any] | None
    problem: str | None = None
    changed: str | None = None
    note: str | None = None


# A pair of surrogates written as two UTF-8 sequences, as Java and some databases do (CESU-8, Unicode TR 26).
_CESU = re.compile(rb"\xed[\xa0-\xaf][\x80-\xbf]\xed[\xb0-\xbf][\x80-\xbf]")


def _recode(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are not UTF-8: a surrogate pair is its character, all else is read as Windows-1252."""
    assert isinstance(error, UnicodeDecodeError)
    if pair := _CESU.match(error.object, error.start):
        halves = pair.group().decode("utf-8", errors="surrogatepass")
        return halves.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le"), pair.end()
    raw = error.object[error.start : error.end]
    return raw.decode("cp1252", errors="ignore") or raw.decode("latin-1"), error.end


codecs.register_error("olivepress-recode", _recode)


def decode(raw: bytes) -> tuple[str, str | None]:
    """Text of ``raw`` and, when a byte of it was not UTF-8, what was done: those bytes alone are read another way."""
    try:
        return raw.decode("utf-8"), None
    except UnicodeDecodeError:
        return raw.decode("utf-8", errors="olivepress-recode"), RECODED


def read_rows(path: Path) -> Iterator[RawRow]:
    """Rows of one file, by its suffix and content.

    Raises DataError: no such file, empty, binary, UTF-16, compressed, or not a table or list at all.
    """
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"{path}: suffix {path.suffix!r} is not read, expected one of {', '.join(SUFFIXES)}",
            next_step="export or rename it",
        )
    try:
        with open_regular(path, DataError) as file:
            head = file.read(_HEAD)
            check_head(path, head)
            if suffix == ".parquet":
                from olivepress.data.tables import parquet_rows

                yield from parquet_rows(path)
                return
            file.seek(len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0)
            yield from _reader(suffix, head)(path, file)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}", next_step="check the path") from None


def _reader(suffix: str, head: bytes) -> Callable[[Path, BinaryIO], Iterator[RawRow]]:
    if suffix in (".csv", ".tsv"):
        return _table
    if suffix == ".txt":
        return _paragraphs
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    # Some call JSON lines ".json": then the first line is a whole object, and another one follows.
    first, _, rest = text.partition(b"\n")
    is_lines = suffix != ".json" or (text.startswith(b"{") and rest.lstrip().startswith(b"{") and _is_object(first))
    return _lines if is_lines else _list


def _is_object(raw: bytes) -> bool:
    return isinstance(parse(decode(raw)[0]), dict)


def parse(text: str) -> Any:
    """The JSON value, or a ValueError that says what is wrong with it."""
    try:
        # Control characters inside strings are the cleaner's to take out, with a reason.
        return parse_json(text, strict=False, parse_float=Written)
    except json.JSONDecodeError as error:
        return ValueError(f"not valid JSON ({error.msg})")
    except ValueError as error:
        return ValueError(f"not valid JSON ({str(error)[:60]})")
    except RecursionError:
        return ValueError("not valid JSON (nested too deep)")


def _row(line: int, raw: bytes) -> RawRow:
    text, changed = decode(raw)
    value = parse(text)
    if isinstance(value, dict):
        return RawRow(line, value, None, changed)
    if isinstance(value, ValueError):
        return RawRow(line, None, str(value))
    return RawRow(line, None, f"expected an object, found {type(value).__name__}")


def _lines(path: Path, file: BinaryIO) -> Iterator[RawRow]:
    for number, raw in _physical_lines(file):
        if raw is None:
            yield RawRow(number, None, _TOO_LONG)
        elif not raw.isspace():
            yield _row(number, raw)


_TOO_LONG = f"longer than {MAX_ROW_BYTES // 2**20} MB"


def _physical_lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Lines with their number; None for one that is too long, of which no more than that is ever held."""
    number = 0
    while raw := file.readline(MAX_ROW_BYTES):
        number += 1
        if len(raw) < MAX_ROW_BYTES or raw.endswith(b"\n"):
            yield number, raw
            continue
        while (more := file.readline(MAX_ROW_BYTES)) and not more.endswith(b"\n"):
            pass
        yield number, None


def _paragraphs(path: Path, file: BinaryIO) -> Iterator[RawRow]:
    """Plain text: a row is what stands between blank lines."""
    held: list[bytes] = []
    first, size = 0, 0
    for number, raw in chain(_physical_lines(file), [(0, b"\n")]):
        if raw is None or not raw.isspace():
            first = first or number
            size += MAX_ROW_BYTES + 1 if raw is None else len(raw)
            held = [*held, raw] if raw is not None and size <= MAX_ROW_BYTES else []
        elif first:
            text, changed = decode(b"".join(held))
            long = size > MAX_ROW_BYTES
            yield RawRow(first, None, _TOO_LONG) if long else RawRow(first, {"text": text}, None, changed)
            held, first, size = [], 0, 0


def _list(path: Path, file: BinaryIO) -> Iterator[RawRow]:
    """A list of objects, or an object whose only key holds one (SNIPS: the key is the intent of every row)."""
    start = file.tell()
    head = file.read(_HEAD)
    opening = re.match(rb'\s*(?:\{\s*("(?:[^"\\]|\\.)*")\s*:\s*)?\[', head)
    if opening is None:
        problem = parse(decode(head)[0])
        if len(head) < _HEAD and isinstance(problem, ValueError):
            raise DataError(f"{path}:1: {problem}", next_step="mend it, or write JSON lines (.jsonl)")
        raise DataError(f"{path}: expected a JSON list of objects", next_step="write JSON lines (.jsonl)")
    key = parse(decode(opening.group(1))[0]) if opening.group(1) else None
    file.seek(start + opening.end())
    try:
        for element in elements(file, line=1 + opening.group().count(b"\n"), limit=MAX_ROW_BYTES):
            if element.problem == "text after the end of the list" and key is not None:
                continue  # the brace that closes the object around it
            row = RawRow(element.line, None, element.problem) if element.problem else _row(element.line, element.raw)
            if isinstance(key, str) and row.value is not None:
                row = row._replace(value={"intent": key, **row.value})
            yield row
    except TooLong as error:
        raise DataError(f"{path}:{error.line}: a row {_TOO_LONG}", next_step="write it as JSON lines") from None


class _LineTooLong(Exception):
    pass


def _table(path: Path, file: BinaryIO) -> Iterator[RawRow]:
    csv.field_size_limit(MAX_ROW_BYTES)
    delimiter = _delimiter(path, file)
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
            yield RawRow(line, None, _TOO_LONG)
            continue
        if row is None:
            if header is None:
                raise DataError(
                    f"{path}: is empty, expected a header and rows", next_step="give a file that holds rows"
                )
            return
        if not row:
            continue
        if header is None:
            header = _header(path, row)
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
    """The first rows that span many lines are told with these; more of them are counted together."""
    return f"row spans {f'lines {first} to {last}' if number <= _TOLD_IN_FULL else 'many lines'}: a stray quote?"


def _header(path: Path, row: list[str]) -> list[str]:
    header = [name.strip() for name in row]
    if len(set(header)) != len(header):
        twice = next(name for name in header if header.count(name) > 1)
        raise DataError(f"{path}:1: column {twice!r} occurs twice", next_step="name each column once")
    return header


def _delimiter(path: Path, file: BinaryIO) -> str:
    """Tab for .tsv; for .csv what the header uses, a comma when it says nothing."""
    if path.suffix.lower() == ".tsv":
        return "\t"
    start = file.tell()
    header = file.readline(_HEAD)
    file.seek(start)
    return max(",;\t|", key=lambda mark: header.count(mark.encode()))


class _Decoded:
    """The file's lines as text for ``csv``; of the row since ``begin``: what was recoded, and whether it is odd."""

    def __init__(self, file: BinaryIO, delimiter: str) -> None:
        self.lines, self.delimiter = _physical_lines(file), delimiter
        self.number = 0
        self.begin(0)

    def begin(self, columns: int) -> None:
        self.columns, self.count, self.alike = columns, 0, 0
        self.changed: str | None = None

    @property
    def is_odd(self) -> bool:
        """Whether the row is long, or half of the lines inside its quotes look like rows of their own."""
        return self.count > _MANY_LINES or 0 < self.alike >= (self.count - 2) / 2

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
            self.alike += text.count(self.delimiter) == self.columns - 1
        return text
