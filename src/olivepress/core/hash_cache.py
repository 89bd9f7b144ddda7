"""sha256 of files, kept with their size, times and inode: a file in which these are unchanged is not read again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from olivepress.core.bounded import CONFIG, read_json
from olivepress.core.errors import OlivepressError, SetupError
from olivepress.core.files import write_text

__all__ = ["cached_sha256", "is_settled", "load_cache", "save_cache", "stamp"]

# A file that changes twice within a tick of the file system's clock looks the same: what is younger is not remembered.
_SETTLED_NS = 2_000_000_000


def cached_sha256(files: Mapping[str, Path], cache: Path | None) -> dict[str, tuple[str, int]]:
    """Name → (sha256, bytes) of every file; OSError when one cannot be read.

    ``cache`` is a JSON file that the caller owns (None: every file is read). An entry counts as long as the file's
    ``stamp`` is the same. A cache that is damaged or cannot be written costs time, and nothing else.
    """
    before = load_cache(cache) if cache else {}
    entries = {name: entry for name, entry in before.items() if name not in files}
    hashes: dict[str, tuple[str, int]] = {}
    for name, path in files.items():
        status = path.stat()
        entry = before.get(name)
        known = isinstance(entry, dict) and entry.get("stamp") == stamp(status) and isinstance(entry.get("sha256"), str)
        sha256 = entry["sha256"] if known and entry else _sha256(path)
        hashes[name] = (sha256, status.st_size)
        if known or is_settled(status):
            entries[name] = {"stamp": stamp(status), "sha256": sha256}
    if cache and entries != before:
        save_cache(cache, entries)
    return hashes


def stamp(status: os.stat_result) -> list[int]:
    """Size, both times and inode: a copy that brings its old time along has another inode or change time."""
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]


def is_settled(status: os.stat_result) -> bool:
    """Whether the file is old enough that its next change will show in its ``stamp``."""
    return time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NS


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def load_cache(cache: Path) -> dict[str, Any]:
    """The entries of a cache; empty for one that is missing or damaged."""
    try:
        entries = read_json(cache, CONFIG)
    except (OlivepressError, OSError, ValueError):
        return {}
    return entries if isinstance(entries, dict) else {}


def save_cache(cache: Path, entries: Mapping[str, Any]) -> None:
    """Write it in one step; nothing happens where it cannot be written."""
    with contextlib.suppress(SetupError):
        write_text(cache, json.dumps(entries, indent=0, sort_keys=True))
