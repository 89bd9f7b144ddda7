"""The work folder: what is finished is kept under a key of all that it depends on, so that a run can be killed."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from olivepress.core.artifact import MANIFEST
from olivepress.core.hash_cache import cached_sha256

__all__ = ["content_key", "key_of", "read_record", "write_record"]


def key_of(*parts: Any) -> str:
    """The start of a sha256 over JSON values."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def content_key(model: Path, cache_dir: Path) -> str:
    """Of a file, or of a folder's files with their names, without the manifest, which has times in it. Unchanged files
    are not read again."""
    found = [path for path in sorted(model.rglob("*")) if path.is_file() and path.name != MANIFEST]
    files = {path.relative_to(model).as_posix(): path for path in found}
    cache_dir.mkdir(parents=True, exist_ok=True)
    hashes = cached_sha256(files or {model.name: model}, cache_dir / f"{key_of(str(model.resolve()))}.json")
    return key_of({name: sha256 for name, (sha256, _) in hashes.items()})


def read_record(path: Path, key: str) -> dict[str, Any] | None:
    """What was written under this key; None when nothing was, or under another key."""
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if record.get("key") == key else None


def write_record(path: Path, key: str, record: dict[str, Any]) -> dict[str, Any]:
    """Write it in one step, so that a kill leaves the old one or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(json.dumps(record | {"key": key}, indent=1) + "\n", encoding="utf-8")
    partial.rename(path)
    return record | {"key": key}
