"""Which distributions are installed, and whether two overwrote each other in one folder. Imports none."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from olivepress.environments.lookup import ONNX_RUNTIMES, canonical, environments, satisfied_here

__all__ = ["Folder", "Packages", "expected_versions", "read_packages"]

# Folders that more than one distribution ships: onnxruntime, -gpu, -openvino, …; onnxruntime-genai, -cuda, …
SHARED = ("onnxruntime", "onnxruntime_genai")
NATIVE = (".so", ".pyd", ".dll", ".dylib")


@dataclass(frozen=True)
class Folder:
    """One of ``SHARED`` in one place: the distributions that own it, and how it differs from what they installed.

    ``damaged`` counts, per owner, files that are gone or have another size; ``left_behind`` are native libraries that
    no owner installed.
    """

    name: str
    owners: tuple[str, ...]
    damaged: dict[str, int]
    left_behind: tuple[str, ...]


@dataclass(frozen=True)
class Packages:
    """Normalized name → version of everything installed, and the shared folders."""

    versions: dict[str, str]
    folders: tuple[Folder, ...] = ()

    def has(self, *names: str) -> bool:
        return all(name in self.versions for name in names)


def expected_versions() -> dict[str, str]:
    """The pinned versions, by normalized name, of this olivepress's extras, and of the environment that this Python is.

    {} when it runs uninstalled and is none.
    """
    try:
        requirements = metadata.requires("olivepress") or []
    except metadata.PackageNotFoundError:
        requirements = []
    matches = (re.match(r"([\w.-]+)(?:\[[^]]*\])?\s*==\s*([\w.!+-]+)", requirement) for requirement in requirements)
    extras = {canonical(match[1]): match[2] for match in matches if match}
    mine = [one for one in environments().values() if satisfied_here(one)]
    if not mine:
        return extras
    pins = max(mine, key=lambda one: len(one.packages)).pins
    return {name: pin for name, pin in (extras | pins).items() if name in pins or name not in ONNX_RUNTIMES}


def read_packages(path: Sequence[str] | None = None) -> Packages:
    """What is installed on ``path`` (default: where this interpreter imports from)."""
    places = list(sys.path if path is None else path)
    distributions = list(metadata.distributions(path=places))
    versions: dict[str, str] = {}
    records: list[tuple[str, Path, str]] = []
    for distribution in distributions:
        name = distribution.metadata["Name"]
        if not name:  # a dist-info folder that an interrupted pip left
            continue
        versions.setdefault(canonical(name), distribution.version)
        records.append(
            (canonical(name), Path(str(distribution.locate_file(""))), distribution.read_text("RECORD") or "")
        )
    folders = (_folder(Path(place), name, records) for place in dict.fromkeys(places) for name in SHARED)
    return Packages(versions, tuple(folder for folder in folders if folder is not None))


def _folder(place: Path, name: str, records: Iterable[tuple[str, Path, str]]) -> Folder | None:
    """The folder ``name`` in ``place``; None when nothing but compiled Python is in it."""
    if not any(path.is_file() and path.suffix != ".pyc" for path in (place / name).rglob("*")):
        return None
    owned: dict[str, dict[str, int | None]] = {}
    for owner, root, record in records:
        # Cheap before it is parsed: torch's has 10,000 lines.
        if root.resolve() == place.resolve() and re.search(rf"^{name}/__init__\.py,", record, re.MULTILINE):
            rows = [row for row in csv.reader(record.splitlines()) if len(row) == 3 and row[0].startswith(f"{name}/")]
            owned[owner] = {row[0]: int(row[2]) if row[2].isdecimal() else None for row in rows}
    damaged = {
        owner: sum(_differs(place / file, size) for file, size in files.items()) for owner, files in owned.items()
    }
    known = {file for files in owned.values() for file in files}
    native = (path for path in (place / name).rglob("*") if ".so" in path.suffixes or path.suffix in NATIVE)
    left = sorted(path.name for path in native if path.relative_to(place).as_posix() not in known)
    return Folder(name, tuple(sorted(owned)), {owner: count for owner, count in damaged.items() if count}, tuple(left))


def _differs(path: Path, size: int | None) -> bool:
    """Whether a file is not what was installed; compiled Python has no size in RECORD."""
    if size is None:
        return False
    try:
        return path.stat().st_size != size
    except OSError:
        return True
