"""Names from an address → files of the project. Nothing else on the machine can be named."""

from __future__ import annotations

from pathlib import Path

from olivepress.core.errors import OlivepressError
from olivepress.core.names import check_name

__all__ = ["NotHereError", "inside", "is_plain", "names_in"]


class NotHereError(OlivepressError):
    """There is no such page."""


def is_plain(name: str) -> bool:
    """Whether it is a name that our files have: no separator, no dot at its beginning, no control character."""
    try:
        check_name(name)
    except ValueError:
        return False
    return True


def inside(root: Path, *names: str) -> Path:
    """``root/names…``, which exists and is in ``root``. NotHereError for any other name, and for links that leave it.

    ``root`` itself may be a link: somebody put it on a larger disk.
    """
    path = root.joinpath(*names)
    if not all(map(is_plain, names)) or not _stays(root, path):
        raise NotHereError(f"{root.as_posix()} has nothing of that name")
    return path


def names_in(root: Path) -> list[str]:
    """The folders in ``root`` that a page may name, in order; those that links lead out of it to are left out."""
    try:
        paths = sorted(root.iterdir())
    except OSError:
        return []
    return [path.name for path in paths if is_plain(path.name) and path.is_dir() and _stays(root, path)]


def _stays(root: Path, path: Path) -> bool:
    try:
        return path.resolve(strict=True).is_relative_to(root.resolve(strict=True))
    except (OSError, RuntimeError, ValueError):  # not there, or links in a loop
        return False
