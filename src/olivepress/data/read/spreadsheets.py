"""Rows of a sheet of a workbook (Excel, OpenDocument), read by python-calamine in a process with limits."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from olivepress.core.errors import DataError, SetupError
from olivepress.core.privacy import child_environment
from olivepress.core.process import BEFORE_EXEC
from olivepress.data.read import spreadsheet_child
from olivepress.data.read.delimited import column_names
from olivepress.data.read.raw_rows import MAX_ROW_BYTES, RawRow

__all__ = ["MAX_WORKBOOK_BYTES", "sheet_rows"]

MAX_WORKBOOK_BYTES = 256 * 1024**2


def sheet_rows(path: Path, sheet: str | None) -> Iterator[RawRow]:
    """Rows of ``sheet``, or of the only sheet that there is, below the first row that is not empty: the header.

    Raises DataError: no workbook, another sheet's name, or more than the limits; SetupError without python-calamine.
    """
    size = path.stat().st_size
    if not size:
        raise DataError(f"{path}: is empty, expected a workbook", next_step="give a file that holds rows")
    if size > MAX_WORKBOOK_BYTES:
        raise DataError(
            f"{path}: {size:,} bytes, at most {MAX_WORKBOOK_BYTES:,} are read", next_step="export it as CSV"
        )
    with _child(path, sheet) as output:
        _check_begin(path, sheet, output)
        yield from _rows(path, output)


@contextmanager
def _child(path: Path, sheet: str | None) -> Iterator[IO[bytes]]:
    command = [sys.executable, "-I", spreadsheet_child.__file__, str(path.resolve()), sheet or ""]
    with subprocess.Popen(
        command,
        env=child_environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        preexec_fn=BEFORE_EXEC,
    ) as child:
        assert child.stdout is not None
        whole = False
        try:
            yield child.stdout
            whole = True
        finally:
            if not whole:
                child.kill()
        if child.wait():
            raise DataError(
                f"{path}: cannot be read within {spreadsheet_child.MEMORY // 1024**3} GB of memory and "
                f"{spreadsheet_child.SECONDS} seconds",
                next_step="export the sheet as CSV",
            )


def _line(path: Path, output: IO[bytes]) -> Any:
    """The next record of the child; None after the last one."""
    raw = output.readline(2 * MAX_ROW_BYTES)
    if not raw.endswith(b"\n"):
        if len(raw) >= 2 * MAX_ROW_BYTES:
            raise DataError(f"{path}: a row longer than {MAX_ROW_BYTES // 2**20} MB", next_step="export it as CSV")
        return None
    return json.loads(raw)


def _check_begin(path: Path, sheet: str | None, output: IO[bytes]) -> None:
    """Raise for what the child says instead of rows; when it died it says nothing, and its exit code is the error."""
    begin = _line(path, output) or {"reads": sheet}
    if "missing" in begin:
        message = f"{path}: reading a workbook needs the package {begin['missing']}"
        raise SetupError(message, next_step="pip install 'olivepress[data]'")
    if "error" in begin:
        raise DataError(f"{path}: not readable as a workbook ({begin['error']})", next_step="export the sheet as CSV")
    if "reads" not in begin:
        sheets = begin["sheets"]
        asked = "several sheets" if sheets else "no sheet in it"
        if sheet:
            asked = f"no sheet {sheet!r}"
        step = f"{path}::{sheets[0]}" if sheets else "give a workbook that holds rows"
        raise DataError(f"{path}: {asked}; sheets: {', '.join(sheets[:20]) or 'none'}", next_step=step)


def _rows(path: Path, output: IO[bytes]) -> Iterator[RawRow]:
    names: list[str] | None = None
    number = 0
    while (cells := _line(path, output)) is not None:
        number += 1
        values = [cell["text"] if isinstance(cell, dict) else cell for cell in cells]
        if all(value in (None, "") for value in values):
            continue
        if names is None:
            names = [str(value).strip() for value in values]
            column_names(path, [name for name in names if name])
            continue
        unnamed = [place for place, value in enumerate(values) if value not in (None, "") and not names[place]]
        if unnamed:
            yield RawRow(number, None, f"a value in column {unnamed[0] + 1}, which has no name")
            continue
        yield RawRow(number, {name: value for name, value in zip(names, values, strict=True) if name})
