"""JSON lines that are only ever added to: a line that a kill cut costs itself, never the line after it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from olivepress.core.bounded import TEXT, parse_json, read_text
from olivepress.core.errors import OlivepressError

__all__ = ["append_json_line", "read_json_lines"]


def append_json_line(path: Path, value: Any, *, sync: bool = True) -> None:
    """Add one line in one write; a torn line before it is ended first.

    With ``sync`` it is on the disk before anything else happens. OSError as ``open``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    line = (json.dumps(value) + "\n").encode()
    with path.open("ab", buffering=0) as file:
        file.write(line if _ends_whole(path) else b"\n" + line)
        if sync:
            os.fsync(file.fileno())


def _ends_whole(path: Path) -> bool:
    with path.open("rb") as file:
        if file.seek(0, os.SEEK_END) == 0:
            return True
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def read_json_lines(path: Path, limit: int = TEXT, error: type[OlivepressError] = OlivepressError) -> list[Any]:
    """The value of every whole line; what a kill cut is skipped, and a missing file has no lines.

    ``error`` for a file that is larger than ``limit`` bytes or no regular file.
    """
    try:
        text = read_text(path, limit, error, errors="replace")
    except FileNotFoundError:
        return []
    values = []
    for line in text.split("\n"):
        try:
            values.append(parse_json(line))
        except ValueError:
            continue
    return values
