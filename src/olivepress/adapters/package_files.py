"""Names of a package's adapter files: a new file is written next to the old one until ``package.json`` names it.

An adapter's file is ``NAME.onnx_adapter`` or, after every second ``--replace``, ``NAME@new.onnx_adapter``; names of
adapters contain no @. An interruption at any moment leaves the file that ``package.json`` names intact; the other is
removed the next time.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from olivepress.adapters.adapter_file import SUFFIX

__all__ = ["is_leftover", "remove_leftovers", "unused_file"]

_OTHER = "@new"


def _other(file: str) -> str:
    """The other of the two names of an adapter's file."""
    stem = file.removesuffix(SUFFIX)
    name = stem.removesuffix(_OTHER)
    return f"{name}{SUFFIX}" if name != stem else f"{stem}{_OTHER}{SUFFIX}"


def unused_file(name: str, files: Collection[str]) -> str:
    """The name for an adapter's new file; ``files`` are those that ``package.json`` names."""
    first = f"{name}{SUFFIX}"
    return _other(first) if first in files else first


def is_leftover(file: str, files: Collection[str]) -> bool:
    """Whether ``file`` is the other file of an adapter: the old file, or a new file that was never named."""
    return file.endswith(SUFFIX) and file not in files and _other(file) in files


def remove_leftovers(folder: Path, files: Collection[str]) -> None:
    """Remove complete and partial files that an interrupted run left of the adapters in ``files``."""
    for path in folder.glob("*"):
        if is_leftover(path.name, files) or (path.name.startswith(".") and path.name.endswith(".partial")):
            path.unlink(missing_ok=True)
