"""A row as a file holds it, before anybody asks what it means; and bytes and JSON on the way there."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

from olivepress.core.bounded import parse_json
from olivepress.data.convert.values import Written, unique_keys

__all__ = ["MAX_ROW_BYTES", "RECODED", "TOO_LONG", "RawRow", "decode", "parse", "row_from", "with_columns"]

MAX_ROW_BYTES = 16 * 1024 * 1024
TOO_LONG = f"longer than {MAX_ROW_BYTES // 2**20} MB"
RECODED = "bytes that are not UTF-8, recoded"
_FIRST_ROWS, _FIRST_LETTERS = 200, 8 * 1024 * 1024


class RawRow(NamedTuple):
    """One row of a file: its 1-based line (or row number in a table), and its value or why there is none.

    ``changed`` and ``note``: what was done to it, and what is odd about it. ``split``: which one the file itself says.
    """

    line: int
    value: dict[str, Any] | None
    problem: str | None = None
    changed: str | None = None
    note: str | None = None
    split: str | None = None


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


def parse(text: str) -> Any:
    """The JSON value, or a ValueError that says what is wrong with it."""
    try:
        # Control characters inside strings are the cleaner's to take out, with a reason.
        return parse_json(text, strict=False, parse_float=Written, object_pairs_hook=unique_keys)
    except json.JSONDecodeError as error:
        return ValueError(f"not valid JSON ({error.msg})")
    except ValueError as error:
        return ValueError(f"not valid JSON ({str(error)[:60]})")


def row_from(line: int, raw: bytes) -> RawRow:
    """The row that a JSON text is."""
    text, changed = decode(raw)
    value = parse(text)
    if isinstance(value, dict):
        return RawRow(line, value, None, changed)
    if isinstance(value, ValueError):
        return RawRow(line, None, str(value))
    write = ' (write {"text": …, "label": …})' if isinstance(value, list) else ""
    return RawRow(line, None, f"expected an object, found {type(value).__name__}{write}")


def with_columns(rows: Iterator[RawRow]) -> tuple[Iterator[RawRow], dict[str, Any]]:
    """All rows, and the columns that the first 200 of them have, each with the first value that is not empty.

    A key that the first row happens to lack (Alpaca's ``input``) must not be lost for all of them.
    """
    first: list[RawRow] = []
    columns: dict[str, Any] = {}
    letters = 0
    for row in rows:
        first.append(row)
        for key, value in (row.value or {}).items():
            if columns.get(key) in (None, "", [], {}):
                columns[key] = value
            letters += _letters(value)
        if len(first) >= _FIRST_ROWS or letters > _FIRST_LETTERS:
            break
    return chain(first, rows), columns


def _letters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return 1 + sum(map(_letters, value.values()))
    return 1 + sum(map(_letters, value)) if isinstance(value, list) else 1
