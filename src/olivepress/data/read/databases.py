"""Rows of a table in an SQLite file, which is opened read-only and cannot run code of its own."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from olivepress.core.errors import DataError
from olivepress.data.read.raw_rows import MAX_ROW_BYTES, RawRow, decode

__all__ = ["database_rows"]

_PART = "FILE::TABLE"


def database_rows(path: Path, table: str | None) -> Iterator[RawRow]:
    """Rows of ``table``, or of the only table; numbers and texts as the file types them.

    Raises DataError: not SQLite, no such table, a view or virtual table, or rows that are still in a log file.
    """
    _check_whole(path.resolve())
    try:
        with closing(_connect(path)) as connection:
            chosen = _table(path, connection, table)
            recoded: list[str] = []
            connection.text_factory = lambda raw: _text(raw, recoded)
            quoted = chosen.replace('"', '""')
            cursor = connection.execute(f'SELECT * FROM "{quoted}"')
            names = [column[0] for column in cursor.description]
            for number, values in enumerate(cursor, start=1):
                changed = recoded[0] if recoded else None
                recoded.clear()
                yield RawRow(number, dict(zip(names, values, strict=True)), None, changed)
    except (sqlite3.Error, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0][:80]
        raise DataError(f"{path}: not readable as SQLite ({reason})", next_step="export the table as CSV") from None


def _check_whole(path: Path) -> None:
    if not path.stat().st_size:
        raise DataError(f"{path}: is empty, expected a database", next_step="give a file that contains rows")
    for suffix in ("-wal", "-journal"):
        beside = path.with_name(path.name + suffix)
        if beside.is_file() and beside.stat().st_size:
            raise DataError(
                f"{path}: some of its rows are still in {beside.name}",
                next_step=f"close its writer, then sqlite3 {path.name} 'PRAGMA wal_checkpoint(TRUNCATE)'",
            )


def _connect(path: Path) -> sqlite3.Connection:
    """Read-only; views and generated columns may not call functions; values are limited to the length of a row."""
    connection = sqlite3.connect(f"file:{quote(str(path.resolve()))}?mode=ro&immutable=1", uri=True)
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_ROW_BYTES)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    for pragma in ("trusted_schema = OFF", "query_only = ON", "cell_size_check = ON"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _table(path: Path, connection: sqlite3.Connection, table: str | None) -> str:
    rows = connection.execute("SELECT name, type, sql FROM sqlite_master WHERE type IN ('table', 'view') ORDER BY name")
    kinds = {}
    for name, kind, sql in rows:
        is_virtual = str(sql or "").upper().startswith("CREATE VIRTUAL")
        kinds[str(name)] = "virtual table" if is_virtual else str(kind)
    tables = [name for name, kind in kinds.items() if kind == "table" and not name.startswith("sqlite_")]
    if table is None and len(tables) == 1:
        return tables[0]
    if table in tables:
        return table
    if table is not None and table in kinds:
        raise DataError(
            f"{path}: {table!r} is a {kinds[table]}, expected a table",
            next_step="save it as a table, or export it as CSV",
        )
    listed = ", ".join(tables[:20]) or "none"
    problem = "several tables" if tables else "no table in it"
    if table is not None:
        problem = f"no table {table!r} in it"
    step = f"{path}::{tables[0]}" if tables else "give a file that contains a table"
    raise DataError(f"{path}: {problem}; tables: {listed}, expected {_PART}", next_step=step)


def _text(raw: bytes, recoded: list[str]) -> str:
    text, changed = decode(raw)
    if changed:
        recoded.append(changed)
    return text
