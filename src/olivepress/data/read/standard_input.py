"""Rows from standard input, which ``-`` stands for."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from olivepress.core.errors import DataError
from olivepress.data.read.compressed import MAX_UNPACKED_BYTES, copy_bounded
from olivepress.data.read.containers import RawRow, rows_of
from olivepress.data.read.file_kinds import check_head

__all__ = ["STDIN", "TYPES", "stdin_rows"]

STDIN = "-"
TYPES = ("csv", "tsv", "jsonl", "json", "txt")
_CHUNK = 1 << 20
_NAME = Path("stdin")


def stdin_rows(kind: str | None) -> Iterator[RawRow]:
    """Rows of standard input, copied to a temporary file because some readers read twice.

    ``kind`` is one of TYPES; None: JSON, if it begins like JSON. Raises DataError, as for a file.
    """
    stream = sys.stdin.buffer
    if sys.stdin.isatty():
        raise DataError("stdin: no input is piped into it", next_step="olivepress data check - --type csv < FILE")
    with tempfile.TemporaryFile(prefix="olivepress-") as file:
        copy_bounded(_NAME, iter(lambda: stream.read(_CHUNK), b""), file, MAX_UNPACKED_BYTES)
        file.seek(0)
        if kind is None:
            head = file.read(4096)
            file.seek(0)
            check_head(_NAME, head, ".json")
            begin = head.removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
            if begin and begin not in (b"{", b"["):
                raise DataError("stdin: is not JSON, its type is needed", next_step=f"--type {', '.join(TYPES)}")
            kind = "json"
        yield from rows_of(_NAME, f".{kind}", file)
