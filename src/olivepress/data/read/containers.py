"""Reads the rows of text files, Parquet, databases and spreadsheets, one at a time.

A row that cannot be read is yielded with its reason, so that it is counted.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from olivepress.core.bounded import open_regular
from olivepress.core.errors import DataError
from olivepress.data.read.compressed import unpacked
from olivepress.data.read.delimited import table_rows
from olivepress.data.read.file_kinds import DATABASES, PACKED, SPREADSHEETS, SUFFIXES, check_head, kind_of
from olivepress.data.read.json_documents import document_rows
from olivepress.data.read.lines import json_lines, paragraphs
from olivepress.data.read.raw_rows import MAX_ROW_BYTES, RECODED, RawRow, decode, parse
from olivepress.data.text.values import RowError

__all__ = ["MAX_ROW_BYTES", "RECODED", "RawRow", "read_rows", "rows_of"]

_HEAD = 65_536


def read_rows(path: Path, part: str | None = None) -> Iterator[RawRow]:
    """Rows of one file, by its suffix and content; ``part`` is a table of a database or a sheet of a workbook.

    Raises DataError: no such file, empty, binary, UTF-16, truncated, or neither a table nor a list.
    """
    suffix, packing = kind_of(path)
    if suffix not in SUFFIXES or (packing and suffix == ".parquet"):
        raise DataError(
            f"{path}: suffix {path.suffix!r} is not supported, expected one of {', '.join(SUFFIXES)}, "
            f"text files also with {', '.join(PACKED)}",
            next_step="export or rename it",
        )
    try:
        if suffix in DATABASES:
            from olivepress.data.read.databases import database_rows

            yield from database_rows(path, part)
        elif suffix in SPREADSHEETS:
            from olivepress.data.read.spreadsheets import sheet_rows

            yield from sheet_rows(path, part)
        elif packing:
            with unpacked(path, packing) as file:
                yield from rows_of(path, suffix, file)
        else:
            with open_regular(path, DataError) as file:
                yield from rows_of(path, suffix, file)
    except OSError as error:
        raise DataError(f"{path}: {error.strerror or error}", next_step="check the path") from None


def rows_of(path: Path, suffix: str, file: BinaryIO) -> Iterator[RawRow]:
    """Rows of an open file that can be read twice; ``path`` is its name in errors."""
    head = file.read(_HEAD)
    check_head(path, head, suffix)
    if suffix == ".parquet":
        from olivepress.data.read.tables import parquet_rows

        yield from parquet_rows(path)
        return
    file.seek(len(codecs.BOM_UTF8) if head.startswith(codecs.BOM_UTF8) else 0)
    if suffix in (".csv", ".tsv"):
        yield from table_rows(path, file, suffix)
    elif suffix == ".txt":
        yield from paragraphs(file)
    elif suffix != ".json" or _is_lines(head):
        yield from json_lines(file)
    else:
        yield from document_rows(path, file)


def _is_lines(head: bytes) -> bool:
    """JSON lines may have the suffix .json: then the first line is a whole object, and another one follows."""
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    first, _, rest = text.partition(b"\n")
    if not (text.startswith(b"{") and rest.lstrip().startswith(b"{")):
        return False
    try:
        return isinstance(parse(decode(first)[0]), dict)
    except RowError:
        return False
