"""Names that become files and folders: the same on every machine, Windows included.

Windows treats ``A`` and ``a`` as one file, drops a dot or a space at the end, and reserves the names of its old
devices, whatever suffix follows them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

__all__ = ["NAME_PATTERN", "check_name", "check_names", "slug"]

NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
_NAME = re.compile(NAME_PATTERN.removesuffix("$") + r"\Z")
_RESERVED = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(10))})


def check_name(name: str) -> str:
    """``name`` itself; ValueError with what is expected of the name of a file or folder."""
    if not _NAME.match(name):
        raise ValueError("letters, digits, . _ - and at most 64 of them, a letter or digit first")
    if name.endswith("."):
        raise ValueError("a name without a dot at its end, which Windows drops")
    if _reserved(name):
        raise ValueError("a name that Windows does not reserve for a device")
    return name


def check_names(names: Iterable[str]) -> None:
    """ValueError for a name as ``check_name``, and for two that are the same file on Windows and macOS."""
    known: dict[str, str] = {}
    for name in names:
        other = known.setdefault(check_name(name).casefold(), name)
        if other != name:
            raise ValueError(f"different names than {other!r} and {name!r}, which are one file on Windows and macOS")


def _reserved(name: str) -> bool:
    return name.partition(".")[0].casefold() in _RESERVED


def slug(text: str) -> str:
    """``text`` as a name that can be a directory on every machine."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("-._")[:40].rstrip("-._") or "unnamed"
    return f"x-{name}" if _reserved(name) else name
