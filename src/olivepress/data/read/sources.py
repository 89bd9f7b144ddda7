"""Finds the files that a user named, and the split of each."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from olivepress.core.errors import DataError
from olivepress.data.read.containers import RawRow, read_rows
from olivepress.data.read.file_kinds import DATABASES, SPREADSHEETS, SUFFIXES, kind_of
from olivepress.data.read.folders import data_files
from olivepress.data.read.split_names import split_in
from olivepress.data.read.standard_input import STDIN, stdin_rows
from olivepress.data.read.tables import dataset_splits, hub_splits, is_saved_dataset
from olivepress.data.store.examples import SPLITS

__all__ = ["HUB", "Source", "find_sources", "source_name", "split_of"]

HUB = "hub:"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_PART = "::"  # separates a database or workbook from its table or sheet


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file (or split of a stored dataset): its name in the audit, its split, and its rows."""

    name: str
    split: str
    rows: Callable[[], Iterator[RawRow]]


def find_sources(
    names: Sequence[str], *, split: str | None = None, stdin_type: str | None = None
) -> tuple[Source, ...]:
    """Files, directories, saved datasets, ``-`` and Hub ids (``hub:owner/name``) in the order they were named.

    A file of a directory, or one of several, belongs to the split in its name (by default ``train``); a single file is
    ``train``. ``split`` overrides that, and splits named in files. ``stdin_type``: the format of ``-``.
    Raises DataError for a source that does not exist.
    """
    alone = len(names) == 1
    try:
        _refuse_repeated(names)
        sources = [source for name in names for source in _sources_of(name, stdin_type, alone=alone)]
        if len({source.name for source in sources}) < len(sources):  # two folders with files of one name
            sources = [
                source for name in names for source in _sources_of(name, stdin_type, alone=alone, whole_name=True)
            ]
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}", next_step="check the path") from None
    if split is None:
        return tuple(sources)
    return tuple(replace(source, split=split, rows=_without_splits(source.rows)) for source in sources)


def _without_splits(rows: Callable[[], Iterator[RawRow]]) -> Callable[[], Iterator[RawRow]]:
    return lambda: (row._replace(split=None) for row in rows())


def _refuse_repeated(names: Sequence[str]) -> None:
    """Raise DataError for a file that is given twice, by itself or in a directory: its rows would count twice."""
    seen: set[str] = set()
    for name in names:
        path, part = _path_and_part(name)
        if name == STDIN or name.startswith(HUB) or not path.exists():
            given = {name: name}
        else:
            is_plain_directory = path.is_dir() and not is_saved_dataset(path)
            files = data_files(path) if is_plain_directory else [path]
            given = {f"{file.resolve()}{_PART}{part}": str(file) for file in files}
        for key, shown in given.items():
            if key in seen:
                raise DataError(f"{shown}: given twice", next_step="give it once")
            seen.add(key)


def _path_and_part(name: str) -> tuple[Path, str | None]:
    """``rows.db::table`` → the file and its table; any other name is a path."""
    file, mark, part = name.rpartition(_PART)
    if mark and part and Path(file).suffix.lower() in (*DATABASES, *SPREADSHEETS) and not Path(name).exists():
        return Path(file), part
    return Path(name), None


def _sources_of(name: str, stdin_type: str | None, *, alone: bool, whole_name: bool = False) -> Iterator[Source]:
    if name == STDIN:
        yield Source(name="stdin", split="train", rows=lambda: stdin_rows(stdin_type))
        return
    if name.startswith(HUB):
        hub_id = name.removeprefix(HUB)
        yield from _stored(hub_id, hub_splits(hub_id))
        return
    path, part = _path_and_part(name)
    if not path.exists():
        hub = f", or {HUB}{name}" if _HUB_ID.fullmatch(name) and path.suffix not in SUFFIXES else ""
        raise DataError(f"{path}: no such file or directory", next_step=f"check the path{hub}")
    if not (path.is_file() or path.is_dir()):
        raise DataError(
            f"{path}: is a pipe or device, expected a file",
            next_step=f"cat {path} | olivepress data check - --type csv",
        )
    if path.is_dir() and is_saved_dataset(path):
        yield from _stored(path.as_posix() if whole_name else path.resolve().name, dataset_splits(path))
        return
    if path.is_file():
        shown = (path.as_posix() if whole_name else path.name) + (f"{_PART}{part}" if part else "")
        split = "train" if alone else split_of(part or path.name)
        yield Source(name=shown, split=split, rows=_reader(path, part))
        return
    files = data_files(path)
    if not files:
        expected = f"expected {', '.join(SUFFIXES)}"
        raise DataError(f"{path}: no data files in it, {expected}", next_step="give a directory that contains some")
    for file in files:
        inside = file.relative_to(path)
        shown = file.as_posix() if whole_name else f"{path.resolve().name}/{inside.as_posix()}"
        yield Source(name=shown, split=_split_below(inside), rows=_reader(file, None))


def _reader(file: Path, part: str | None) -> Callable[[], Iterator[RawRow]]:
    return lambda: read_rows(file, part)


def _split_below(inside: Path) -> str:
    """The split of a file in a directory, by its own name or that of the nearest folder; by default train."""
    names = [inside.name, *reversed(inside.parent.parts)]
    return next((split for name in names if (split := split_in(name))), "train")


def _stored(name: str, splits: dict[str, Iterator[RawRow]]) -> Iterator[Source]:
    for split, rows in splits.items():
        yield Source(name=f"{name}/{split}", split=split_of(split), rows=_once(rows))


def _once(rows: Iterator[RawRow]) -> Callable[[], Iterator[RawRow]]:
    return lambda: rows


def split_of(name: str) -> str:
    """The split in the name of a file, table or stored split; by default ``train``."""
    return split_in(name) or "train"


def source_name(names: Sequence[str]) -> str:
    """The default name of a dataset: that of its first source, or of its folder if the file is named after a split."""
    if names[0] == STDIN:
        return "stdin"
    first = names[0].removeprefix(HUB)
    path, part = _path_and_part(first)
    if not path.is_file():
        return path.resolve().name if path.exists() else first.rsplit("/", 1)[-1]
    stem = Path(path.stem).stem if kind_of(path)[1] else path.stem
    if stem in SPLITS or len(names) > 1:
        return path.resolve().parent.name
    return part or stem
