"""The files of a package's adapters: the new one stands beside the old one until ``package.json`` names it.

An adapter's file is ``NAME.onnx_adapter`` or, after every second ``--replace``, ``NAME@new.onnx_adapter``: no adapter's
name has an @. A kill at any moment leaves the one that ``package.json`` names, whole; the other is removed next time.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from olivepress.adapters.adapter_file import SUFFIX

__all__ = ["is_leftover", "remove_leftovers", "unused_file"]

_OTHER = "@new"


def _other(file: str) -> str:
    """The second name of an adapter's file, from its first and the other way round."""
    stem = file.removesuffix(SUFFIX)
    name = stem.removesuffix(_OTHER)
    return f"{name}{SUFFIX}" if name != stem else f"{stem}{_OTHER}{SUFFIX}"


def unused_file(name: str, files: Collection[str]) -> str:
    """The name of an adapter's new file; ``files`` are those that ``package.json`` names."""
    first = f"{name}{SUFFIX}"
    return _other(first) if first in files else first


def is_leftover(file: str, files: Collection[str]) -> bool:
    """Whether ``file`` is the other file of an adapter: the old one, or a new one that was never named."""
    return file.endswith(SUFFIX) and file not in files and _other(file) in files


def remove_leftovers(folder: Path, files: Collection[str]) -> None:
    """Remove what a killed run left of adapters that are there, whole files and begun ones."""
    for path in folder.glob("*"):
        if is_leftover(path.name, files) or (path.name.startswith(".") and path.name.endswith(".partial")):
            path.unlink(missing_ok=True)
