"""Options that name a file to write."""

from __future__ import annotations

from pathlib import Path

from olivepress.core.errors import UsageError

__all__ = ["expect_file"]


def expect_file(option: str, path: Path) -> None:
    """Raises UsageError for a directory."""
    if path.is_dir():
        raise UsageError(f"{path}: is a directory, expected a file", next_step=f"{option} {path / 'audit.jsonl'}")
