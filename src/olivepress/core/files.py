"""Files and folders that are complete or not there: written beside, forced to the disk, put in place in one step.

``Path.replace`` also replaces an existing file on Windows, where ``Path.rename`` refuses. Everything here raises
SetupError when the disk does not take it, and leaves nothing half-written.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil

from olivepress.core.errors import SetupError

__all__ = [
    "bytes_below",
    "cannot_write",
    "copy_file",
    "is_partial",
    "link_folder",
    "new_directory",
    "new_file",
    "take_free_name",
    "write_bytes",
    "write_secret",
    "write_text",
]

_PARTIAL = re.compile(r"\..+\.(\d+)\.(?:partial|old)")  # the process that writes it


def bytes_below(folder: Path) -> int:
    """The bytes of all files below a folder, 0 without one; files that are removed meanwhile do not count."""
    total = 0
    for directory, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += Path(directory, name).lstat().st_size
    return total


def write_text(path: Path, text: str) -> None:
    """Write ``text`` as UTF-8, with the line ends it has."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write ``data``; a reader sees the old file or the new one."""
    with new_file(path) as partial:
        partial.write_bytes(data)


def write_secret(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write what its owner alone may read: at no moment open to others. FileExistsError where ``path`` is there
    already, as no secret is ever overwritten.

    Windows has no such rights: there the folder's count. ``sync`` false where many are forced to the disk at once.
    """
    with _partial_beside(path) as partial:
        partial.unlink(missing_ok=True)  # of a killed process that had the same number
        flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
        with os.fdopen(os.open(partial, flags, 0o600), "wb") as file:
            file.write(data)
        if sync:
            _sync_file(partial)
        is_new = take_free_name(partial, path)
        if sync:
            _sync_directory(path.parent)
    if not is_new:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))


def take_free_name(partial: Path, path: Path) -> bool:
    """Give the file ``partial`` the name ``path``; False where another file has it. In one step, but where there are no
    hard links; ``partial`` may stay."""
    try:
        os.link(partial, path)
    except FileExistsError:
        return False
    except OSError:
        if path.exists():
            return False
        partial.replace(path)
    return True


def copy_file(source: Path, target: Path) -> None:
    """Copy the content of ``source``."""
    with new_file(target) as partial:
        shutil.copyfile(source, partial)


def link_folder(link: Path, place: Path) -> None:
    """Let ``link`` lead to the folder ``place``: by a junction on Windows, where links are not for everybody."""
    if sys.platform == "win32":
        import _winapi

        _winapi.CreateJunction(str(place.absolute()), str(link))
    else:
        link.symlink_to(place.absolute(), target_is_directory=True)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to. At the end of the block the file takes the place of ``path``."""
    with _partial_beside(path) as partial:
        yield partial
        _sync_file(partial)
        partial.replace(path)
        _sync_directory(path.parent)


@contextlib.contextmanager
def _partial_beside(path: Path) -> Iterator[Path]:
    """A path beside ``path``, in a folder that is there; what it still has at the end of the block goes. An OSError of
    the block is that ``path`` cannot be written."""
    partial = _beside(path, "partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
    except OSError as error:
        raise cannot_write(path, path.parent, error) from error
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


@contextlib.contextmanager
def new_directory(path: Path) -> Iterator[Path]:
    """An empty folder beside ``path`` to fill. At the end of the block it takes the place of ``path``.

    What a killed process left of an earlier try is removed first.
    """
    partial = _beside(path, "partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        partial.mkdir()
        yield partial
        _sync_tree(partial)
        _replace_directory(partial, path)
    except OSError as error:
        raise cannot_write(path, path.parent, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def is_partial(path: Path) -> bool:
    """Whether the name is one that this module gives to what is not finished."""
    return _PARTIAL.fullmatch(path.name) is not None


def cannot_write(path: Path, directory: Path, error: OSError) -> SetupError:
    """The error for ``path``, which was to be written into ``directory`` (or be it)."""
    for above in (directory, *directory.parents):
        if above.exists() and not above.is_dir():
            step = "move it away, or give another path"
            return SetupError(f"{above}: is a file, expected a directory", next_step=step)
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    step = "free disk space" if full else "give another path, or check its rights"
    return SetupError(f"{path}: cannot be written ({error.strerror or error})", next_step=step)


def _beside(path: Path, kind: str) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.{kind}")


def _replace_directory(partial: Path, path: Path) -> None:
    """The old folder is moved aside first: no system replaces a folder that is not empty."""
    old = _beside(path, "old")
    if path.exists():
        path.replace(old)
    try:
        partial.replace(path)
    except OSError:
        if old.exists():
            old.replace(path)
        raise
    _sync_directory(path.parent)
    shutil.rmtree(old, ignore_errors=True)


def _remove_abandoned(path: Path) -> None:
    """Folders that processes left which no longer run, this one included."""
    for other in path.parent.glob(f".{path.name}.*"):
        match = _PARTIAL.fullmatch(other.name)
        if match and (int(match[1]) == os.getpid() or not psutil.pid_exists(int(match[1]))):
            shutil.rmtree(other, ignore_errors=True)


def _sync_tree(directory: Path) -> None:
    for path in directory.rglob("*"):
        if path.is_file() and not path.is_symlink():
            _sync_file(path)


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:  # Windows refuses to sync what is open for reading only
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    """So that the new name survives a loss of power too, where the system can do that."""
    if sys.platform == "win32":
        return
    with contextlib.suppress(OSError):
        descriptor = os.open(directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
