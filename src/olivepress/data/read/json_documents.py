"""A JSON document of rows: a list of objects, or an object that holds lists under its keys.

Of an object every list is read, or none: as the splits that its keys name, or as the only list that there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from olivepress.core.errors import DataError
from olivepress.data.read.json_elements import AFTER_END, TooLong, elements
from olivepress.data.read.json_layout import Entry, Layout, lay_out
from olivepress.data.read.raw_rows import MAX_ROW_BYTES, TOO_LONG, RawRow, decode, parse, row_from
from olivepress.data.read.split_names import split_named

__all__ = ["document_rows"]

_HEAD = 65_536
_AS_LINES = "write JSON lines (.jsonl), one object a line"


def document_rows(path: Path, file: BinaryIO) -> Iterator[RawRow]:
    """Rows of a JSON document. DataError: neither a list nor an object of lists, or lists that nobody can place."""
    start = file.tell()
    head = file.read(_HEAD)
    opening = re.match(rb"\s*([\[{])", head)
    if opening is None:
        problem = parse(decode(head)[0])
        if len(head) < _HEAD and isinstance(problem, ValueError):
            raise DataError(f"{path}:1: {problem}", next_step="mend it, or write JSON lines (.jsonl)")
        raise DataError(f"{path}: expected a JSON list of objects", next_step="write JSON lines (.jsonl)")
    if opening.group(1) == b"[":
        file.seek(start + opening.end())
        yield from _list(path, file, 1 + opening.group().count(b"\n"), alone=True)
        return
    file.seek(start)
    layout = lay_out(file)
    lists = _lists(path, layout)
    note = _not_read(layout)
    for entry in lists:
        key = _name(entry)
        split = split_named(key)
        file.seek(entry.offset)
        for row in _list(path, file, entry.line, alone=False):
            yield _placed(row, key, split)._replace(note=note or row.note)
            note = None


def _list(path: Path, file: BinaryIO, line: int, *, alone: bool) -> Iterator[RawRow]:
    try:
        for element in elements(file, line=line, limit=MAX_ROW_BYTES, alone=alone):
            if element.problem == AFTER_END:  # a second list of rows would be one row that cannot be read
                raise DataError(f"{path}:{element.line}: {AFTER_END}", next_step=f"mend it, or {_AS_LINES}")
            if element.problem:
                yield RawRow(element.line, None, element.problem)
            else:
                yield row_from(element.line, element.raw)
    except TooLong as error:
        raise DataError(f"{path}:{error.line}: a row {TOO_LONG}", next_step="write it as JSON lines") from None


def _placed(row: RawRow, key: str, split: str | None) -> RawRow:
    """A row with what its list's key says: the split, or in SNIPS (rows of chunks under ``data``) the intent."""
    if split is not None:
        return row._replace(split=split)
    if row.value is not None and isinstance(row.value.get("data"), list) and "intent" not in row.value:
        return row._replace(value={"intent": key, **row.value})
    return row


def _name(entry: Entry) -> str:
    name: Any = parse(decode(entry.key)[0])
    return name if isinstance(name, str) else decode(entry.key)[0]


def _lists(path: Path, layout: Layout) -> list[Entry]:
    """The lists that hold the rows. DataError when there is none, or a part of the object that cannot be placed."""
    if layout.problem and not layout.open_list:
        raise DataError(f"{path}: {layout.problem}", next_step=f"mend it, or {_AS_LINES}")
    names = [_name(entry) for entry in layout.entries]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise DataError(f"{path}: the key {twice!r} occurs twice", next_step="name each key once")
    lists = [entry for entry in layout.entries if entry.kind == "list"]
    if not lists:
        if any(entry.kind == "empty list" for entry in layout.entries):
            return []
        raise DataError(
            f"{path}: an object without a list of rows ({_listed(names)}), expected a JSON list of objects",
            next_step=f"{_AS_LINES} (pandas: orient='records', lines=True)",
        )
    splits = [name for name in map(_name, lists) if split_named(name)]
    if len(lists) > 1 and len(splits) < len(lists):
        raise DataError(
            f"{path}: an object of several lists ({_listed(map(_name, lists))}), expected one list, or lists named "
            "train, validation and test",
            next_step="keep the list of rows, or name the lists after their splits",
        )
    lost = [_name(entry) for entry in layout.entries if entry.kind == "object" and split_named(_name(entry))]
    if lost:
        raise DataError(
            f"{path}: {lost[0]!r} holds an object, expected a list of rows", next_step="write each split as a list"
        )
    return lists


def _not_read(layout: Layout) -> str | None:
    """A note of the keys beside the lists, whose values are nobody's row."""
    names = [_name(entry) for entry in layout.entries if entry.kind != "list"]
    return f"not rows, and not read: {_listed(names)}" if names else None


def _listed(names: Any) -> str:
    return ", ".join(repr(name[:40]) for name in list(names)[:8])
