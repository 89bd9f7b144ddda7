"""A JSON document of rows: a list of objects, or an object of lists.

All lists of an object are read, or none: as the splits that its keys name, or as its only list.
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
from olivepress.data.text.values import RowError

__all__ = ["document_rows"]

_HEAD = 65_536
_AS_LINES = "write JSON lines (.jsonl), one object a line"


def document_rows(path: Path, file: BinaryIO) -> Iterator[RawRow]:
    """Rows of a JSON document. Raises DataError: neither a list nor an object of lists, or lists of unclear meaning."""
    start = file.tell()
    head = file.read(_HEAD)
    opening = re.match(rb"\s*([\[{])", head)
    if opening is None:
        if len(head) < _HEAD:
            _check_json(path, head)
        raise DataError(f"{path}: expected a JSON list of objects", next_step="write JSON lines (.jsonl)")
    if opening.group(1) == b"[":
        file.seek(start + opening.end())
        yield from _list_rows(path, file, 1 + opening.group().count(b"\n"), alone=True)
        return
    file.seek(start)
    layout = lay_out(file)
    lists = _lists(path, layout)
    note = _unread_note(layout)
    for entry in lists:
        key = _name(entry)
        split = split_named(key)
        file.seek(entry.offset)
        for row in _list_rows(path, file, entry.line, alone=False):
            yield _placed(row, key, split)._replace(note=note or row.note)
            note = None


def _check_json(path: Path, text: bytes) -> None:
    try:
        parse(decode(text)[0])
    except RowError as error:
        raise DataError(f"{path}:1: {error}", next_step="fix it, or write JSON lines (.jsonl)") from None


def _list_rows(path: Path, file: BinaryIO, line: int, *, alone: bool) -> Iterator[RawRow]:
    try:
        for element in elements(file, line=line, limit=MAX_ROW_BYTES, alone=alone):
            if element.problem == AFTER_END:  # a second list would count as one bad row
                raise DataError(f"{path}:{element.line}: {AFTER_END}", next_step=f"fix it, or {_AS_LINES}")
            if element.problem:
                yield RawRow(element.line, None, element.problem)
            else:
                yield row_from(element.line, element.raw)
    except TooLong as error:
        raise DataError(f"{path}:{error.line}: a row {TOO_LONG}", next_step="write it as JSON lines") from None


def _placed(row: RawRow, key: str, split: str | None) -> RawRow:
    """A row with the meaning of its list's key: the split, or in SNIPS (rows with chunks under ``data``) the intent."""
    if split is not None:
        return row._replace(split=split)
    if row.value is not None and isinstance(row.value.get("data"), list) and "intent" not in row.value:
        return row._replace(value={"intent": key, **row.value})
    return row


def _name(entry: Entry) -> str:
    text = decode(entry.key)[0]
    try:
        name: Any = parse(text)
    except RowError:
        return text
    return name if isinstance(name, str) else text


def _lists(path: Path, layout: Layout) -> list[Entry]:
    """The lists of rows. Raises DataError when there are none, or a part of the object has no clear meaning."""
    if layout.problem and not layout.open_list:
        raise DataError(f"{path}: {layout.problem}", next_step=f"fix it, or {_AS_LINES}")
    names = [_name(entry) for entry in layout.entries]
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise DataError(f"{path}: the key {repeated!r} occurs twice", next_step="name each key once")
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
    objects = [_name(entry) for entry in layout.entries if entry.kind == "object" and split_named(_name(entry))]
    if objects:
        raise DataError(
            f"{path}: {objects[0]!r} is an object, expected a list of rows", next_step="write each split as a list"
        )
    return lists


def _unread_note(layout: Layout) -> str | None:
    """A note on the keys besides the lists, whose values are not rows."""
    names = [_name(entry) for entry in layout.entries if entry.kind != "list"]
    return f"skipped, not rows: {_listed(names)}" if names else None


def _listed(names: Any) -> str:
    return ", ".join(repr(name[:40]) for name in list(names)[:8])
