"""Errors for files that cannot be written: the path that was asked for, the reason, and what to do about it."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from olivepress.core.errors import SetupError, UsageError

__all__ = ["cannot_write", "copy_audit", "expect_file"]


def cannot_write(path: Path, directory: Path, error: OSError) -> SetupError:
    """The error for ``path``, a file in ``directory`` or ``directory`` itself."""
    for above in (directory, *directory.parents):
        if above.exists() and not above.is_dir():
            step = "move it away, or give another path"
            return SetupError(f"{above}: is a file, expected a directory", next_step=step)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    step = "free disk space" if full else "give another path, or check its permissions"
    return SetupError(f"{path}: cannot be written ({error.strerror or error})", next_step=step)


def expect_file(option: str, path: Path) -> None:
    """Raises UsageError for a directory."""
    if path.is_dir():
        raise UsageError(f"{path}: is a directory, expected a file", next_step=f"{option} {path / 'audit.jsonl'}")


def copy_audit(source: Path, target: Path) -> None:
    """Copy an audit; on failure no partial file is left. Raises SetupError when it cannot be written."""
    partial = target.with_name(f".{target.name}.partial")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, partial)
        partial.replace(target)
    except OSError as error:
        raise cannot_write(target, target.parent, error) from None
    finally:
        if partial.is_file():
            partial.unlink()
