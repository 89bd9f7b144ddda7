"""The journal: one append-only, fsynced file per recipe. What it says is finished stays finished."""

from __future__ import annotations

import contextlib
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

__all__ = ["Event", "append", "events"]

Event = Literal["started", "finished", "failed", "interrupted", "passed over"]


def append(path: Path, event: Event, job: str, key: str, **facts: Any) -> None:
    """Add one line and force it to the disk before anything else happens."""
    record = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "event": event, "job": job, "key": key, **facts}
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        if file.tell() and not _ends_with_newline(path):
            file.write(b"\n")  # a kill in the middle of a line must not swallow this one
        file.write((json.dumps(record, sort_keys=True) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def events(path: Path) -> list[dict[str, Any]]:
    """All whole lines; a line cut by a kill is no event."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        with contextlib.suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict) and {"event", "job", "key"} <= record.keys():
                found.append(record)
    return found
