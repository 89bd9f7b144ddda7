"""Rows by lines: JSON lines, and paragraphs of plain text."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import BinaryIO

from olivepress.data.read.raw_rows import MAX_ROW_BYTES, TOO_LONG, RawRow, decode, row_from

__all__ = ["json_lines", "paragraphs", "physical_lines"]


def json_lines(file: BinaryIO) -> Iterator[RawRow]:
    """One object per line."""
    for number, raw in physical_lines(file):
        if raw is None:
            yield RawRow(number, None, TOO_LONG)
        elif not raw.isspace():
            yield row_from(number, raw)


def physical_lines(file: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Lines with their number; None for one that is too long, which is never read into memory as a whole."""
    number = 0
    while raw := file.readline(MAX_ROW_BYTES):
        number += 1
        if len(raw) < MAX_ROW_BYTES or raw.endswith(b"\n"):
            yield number, raw
            continue
        while (more := file.readline(MAX_ROW_BYTES)) and not more.endswith(b"\n"):
            pass
        yield number, None


def paragraphs(file: BinaryIO) -> Iterator[RawRow]:
    """Plain text: each paragraph between blank lines is a row."""
    lines: list[bytes] = []
    first, size = 0, 0
    for number, raw in chain(physical_lines(file), [(0, b"\n")]):
        if raw is None or not raw.isspace():
            first = first or number
            size += MAX_ROW_BYTES + 1 if raw is None else len(raw)
            lines = [*lines, raw] if raw is not None and size <= MAX_ROW_BYTES else []
        elif first:
            text, changed = decode(b"".join(lines))
            long = size > MAX_ROW_BYTES
            yield RawRow(first, None, TOO_LONG) if long else RawRow(first, {"text": text}, None, changed)
            lines, first, size = [], 0, 0
