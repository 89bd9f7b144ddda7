"""A row as it is in a file, before conversion; decoding of bytes and parsing of JSON."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

from olivepress.core.bounded import parse_json
from olivepress.data.text.values import RowError, Written, unique_keys

__all__ = ["MAX_ROW_BYTES", "RECODED", "TOO_LONG", "RawRow", "decode", "parse", "row_from", "with_columns"]

MAX_ROW_BYTES = 16 * 1024 * 1024
TOO_LONG = f"longer than {MAX_ROW_BYTES // 2**20} MB"
RECODED = "bytes that are not UTF-8, recoded"
_FIRST_ROWS, _FIRST_LETTERS = 200, 8 * 1024 * 1024


class RawRow(NamedTuple):
    """One row of a file: its line from 1 (or row number in a table), and its value or the problem with it.

    ``changed``: a change made to it; ``note``: something unusual about it; ``split``: the split that the file names.
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
    """Bytes that are not UTF-8: a surrogate pair becomes its character, all else is read as Windows-1252."""
    assert isinstance(error, UnicodeDecodeError)
    if pair := _CESU.match(error.object, error.start):
        halves = pair.group().decode("utf-8", errors="surrogatepass")
        return halves.encode("utf-16-le", errors="surrogatepass").decode("utf-16-le"), pair.end()
    raw = error.object[error.start : error.end]
    return raw.decode("cp1252", errors="ignore") or raw.decode("latin-1"), error.end


codecs.register_error("olivepress-recode", _recode)


def decode(raw: bytes) -> tuple[str, str | None]:
    """The text of ``raw``, and RECODED if bytes of it were not UTF-8: only those are decoded another way."""
    try:
        return raw.decode("utf-8"), None
    except UnicodeDecodeError:
        return raw.decode("utf-8", errors="olivepress-recode"), RECODED


def parse(text: str) -> Any:
    """The JSON value. Raises RowError."""
    try:
        # Control characters inside strings are removed later, with a reason.
        return parse_json(text, strict=False, parse_float=Written, object_pairs_hook=unique_keys)
    except json.JSONDecodeError as error:
        raise RowError(f"not valid JSON ({error.msg})") from None
    except ValueError as error:
        raise RowError(f"not valid JSON ({str(error)[:60]})") from None


def row_from(line: int, raw: bytes) -> RawRow:
    """The row of a JSON text."""
    text, changed = decode(raw)
    try:
        value = parse(text)
    except RowError as error:
        return RawRow(line, None, str(error))
    if isinstance(value, dict):
        return RawRow(line, value, None, changed)
    hint = ' (write {"text": …, "label": …})' if isinstance(value, list) else ""
    return RawRow(line, None, f"expected an object, found {type(value).__name__}{hint}")


def with_columns(rows: Iterator[RawRow]) -> tuple[Iterator[RawRow], dict[str, Any]]:
    """All rows, and the columns of the first 200 of them, each with its first value that is not empty.

    A column that is only missing in the first row (Alpaca's ``input``) is found this way.
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
