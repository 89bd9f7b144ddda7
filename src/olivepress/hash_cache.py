"""sha256 of files, remembered beside by what the file system says of them: unchanged, they are not read again."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["cached_sha256"]

_MOST_BYTES = 16 * 1024 * 1024  # of a cache that is read
# A file that changes twice within a tick of the file system's clock looks the same: what is younger is not remembered.
_SETTLED_NS = 2_000_000_000


def cached_sha256(files: Mapping[str, Path], cache: Path | None) -> dict[str, tuple[str, int]]:
    """Name → (sha256, bytes) of every file; OSError when one cannot be read.

    ``cache`` is a JSON file that the caller owns (None: every file is read). An entry counts as long as size, inode and
    both times of the file are the same: a copy that brings its old time along has another inode or change time. A cache
    that is damaged or cannot be written costs time, and nothing else.
    """
    before = _read(cache) if cache else {}
    entries = {name: entry for name, entry in before.items() if name not in files}
    found: dict[str, tuple[str, int]] = {}
    for name, path in files.items():
        status = path.stat()
        stamp = [status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino]
        entry = before.get(name)
        known = isinstance(entry, dict) and entry.get("stamp") == stamp and isinstance(entry.get("sha256"), str)
        sha256 = entry["sha256"] if known and entry else _sha256(path)
        found[name] = (sha256, status.st_size)
        if known or time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) > _SETTLED_NS:
            entries[name] = {"stamp": stamp, "sha256": sha256}
    if cache and entries != before:
        _write(cache, entries)
    return found


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(cache: Path) -> dict[str, Any]:
    try:
        if cache.stat().st_size > _MOST_BYTES:
            return {}
        found = json.loads(cache.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _write(cache: Path, entries: Mapping[str, Any]) -> None:
    with contextlib.suppress(OSError):
        cache.parent.mkdir(exist_ok=True)
        beside = cache.with_name(f"{cache.name}.{os.getpid()}.partial")
        beside.write_text(json.dumps(entries, indent=0, sort_keys=True), encoding="utf-8")
        beside.replace(cache)
