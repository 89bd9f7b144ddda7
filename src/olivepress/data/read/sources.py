"""What a user named → files with the split that each belongs to."""

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
_PART = "::"  # between a database or workbook and its table or sheet


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file (or split of a stored dataset): the name it has in the audit, its split, and its rows."""

    name: str
    split: str
    rows: Callable[[], Iterator[RawRow]]


def find_sources(
    names: Sequence[str], *, split: str | None = None, stdin_type: str | None = None
) -> tuple[Source, ...]:
    """Files, directories, saved datasets, ``-`` and Hub ids (``hub:owner/name``) in the order they were named.

    A file of a directory, or one of several, belongs to the split that its name tells (``train`` when it says nothing);
    a single file is ``train``. ``split`` overrides that, and what a file says. ``stdin_type``: what ``-`` holds.
    Raises DataError for what is not there.
    """
    alone = len(names) == 1
    try:
        _refuse_twice(names)
        sources = [source for name in names for source in _sources_of(name, stdin_type, alone=alone)]
        if len({source.name for source in sources}) < len(sources):  # two folders with files of one name
            sources = [one for name in names for one in _sources_of(name, stdin_type, alone=alone, whole_name=True)]
    except OSError as error:
        raise DataError(f"{error.filename}: {error.strerror}", next_step="check the path") from None
    if split is None:
        return tuple(sources)
    return tuple(replace(source, split=split, rows=_of_no_split(source.rows)) for source in sources)


def _of_no_split(rows: Callable[[], Iterator[RawRow]]) -> Callable[[], Iterator[RawRow]]:
    return lambda: (row._replace(split=None) for row in rows())


def _refuse_twice(names: Sequence[str]) -> None:
    """A file that is given twice, by itself or in a directory: its rows would be counted twice."""
    seen: set[str] = set()
    for name in names:
        path, part = _path_and_part(name)
        if name == STDIN or name.startswith(HUB) or not path.exists():
            given = {name: name}
        else:
            plain = path.is_dir() and not is_saved_dataset(path)
            files = data_files(path) if plain else [path]
            given = {f"{one.resolve()}{_PART}{part}": str(one) for one in files}
        for same, shown in given.items():
            if same in seen:
                raise DataError(f"{shown}: given twice", next_step="give it once")
            seen.add(same)


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
        raise DataError(f"{path}: no data files in it, {expected}", next_step="give a directory that holds some")
    for file in files:
        inside = file.relative_to(path)
        shown = file.as_posix() if whole_name else f"{path.resolve().name}/{inside.as_posix()}"
        yield Source(name=shown, split=_split_below(inside), rows=_reader(file, None))


def _reader(file: Path, part: str | None) -> Callable[[], Iterator[RawRow]]:
    return lambda: read_rows(file, part)


def _split_below(inside: Path) -> str:
    """The split of a file in a directory: its own name tells it, else that of the nearest folder; train else."""
    names = [inside.name, *reversed(inside.parent.parts)]
    return next((split for name in names if (split := split_in(name))), "train")


def _stored(name: str, splits: dict[str, Iterator[RawRow]]) -> Iterator[Source]:
    for split, rows in splits.items():
        yield Source(name=f"{name}/{split}", split=split_of(split), rows=_once(rows))


def _once(rows: Iterator[RawRow]) -> Callable[[], Iterator[RawRow]]:
    return lambda: rows


def split_of(name: str) -> str:
    """The split that a file's, table's or stored split's name tells; ``train`` when it tells none."""
    return split_in(name) or "train"


def source_name(names: Sequence[str]) -> str:
    """What a dataset is called after its sources: the first one's name, or its folder's when that says only a split."""
    if names[0] == STDIN:
        return "stdin"
    first = names[0].removeprefix(HUB)
    path, part = _path_and_part(first)
    if path.is_file():
        stem = Path(path.stem).stem if kind_of(path)[1] else path.stem
        # One file of a split is named after its folder, as is any of several.
        return path.resolve().parent.name if stem in SPLITS or len(names) > 1 else part or stem
    return path.resolve().name if path.exists() else first.rsplit("/", 1)[-1]
