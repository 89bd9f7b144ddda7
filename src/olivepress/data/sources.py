"""What a user named → files with the split that each belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from olivepress.data.containers import SUFFIXES, RawRow, read_rows
from olivepress.data.examples import SPLITS
from olivepress.data.tables import dataset_splits, hub_splits, is_saved_dataset
from olivepress.errors import DataError

__all__ = ["HUB", "Source", "find_sources", "source_name", "split_of"]

HUB = "hub:"
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True, kw_only=True)
class Source:
    """One file (or split of a stored dataset): the name it has in the audit, its split, and its rows."""

    name: str
    split: str
    rows: Callable[[], Iterator[RawRow]]


def find_sources(names: Sequence[str], *, split: str | None = None) -> tuple[Source, ...]:
    """Files, directories, saved datasets and Hub ids (``hub:owner/name``) in the order they were named.

    A file of a directory, or one of several, belongs to the split that its name begins with (``train`` when it says
    nothing); a single file is ``train``. ``split`` overrides that. Raises DataError for what is not there.
    """
    _refuse_twice(names)
    found = [source for name in names for source in _sources_of(name, alone=len(names) == 1)]
    if len({source.name for source in found}) < len(found):  # two folders with files of one name
        found = [source for name in names for source in _sources_of(name, alone=len(names) == 1, whole_name=True)]
    return tuple(Source(name=one.name, split=split or one.split, rows=one.rows) for one in found)


def _refuse_twice(names: Sequence[str]) -> None:
    """A file that is given twice, by itself or in a directory: its rows would be counted twice."""
    seen: set[str] = set()
    for name in names:
        path = Path(name)
        plain = path.is_dir() and not is_saved_dataset(path)
        for one in _files_in(path) if plain else [path]:
            same = name if name.startswith(HUB) else str(one.resolve())
            if same in seen:
                raise DataError(f"{name if name.startswith(HUB) else one}: given twice", next_step="give it once")
            seen.add(same)


def _sources_of(name: str, *, alone: bool, whole_name: bool = False) -> Iterator[Source]:
    path = Path(name)
    if name.startswith(HUB):
        hub_id = name.removeprefix(HUB)
        yield from _stored(hub_id, hub_splits(hub_id))
        return
    if not path.exists():
        hub = f", or {HUB}{name}" if _HUB_ID.fullmatch(name) and path.suffix not in SUFFIXES else ""
        raise DataError(f"{path}: no such file or directory", next_step=f"check the path{hub}")
    if path.is_dir() and is_saved_dataset(path):
        yield from _stored(path.as_posix() if whole_name else path.resolve().name, dataset_splits(path))
        return
    files = _files_in(path) if path.is_dir() else [path]
    if not files:
        expected = f"expected {', '.join(SUFFIXES)}"
        raise DataError(f"{path}: no data files in it, {expected}", next_step="give a directory that holds some")
    for file in files:
        short = f"{path.resolve().name}/{file.relative_to(path).as_posix()}" if path.is_dir() else file.name
        split = "train" if alone and path.is_file() else split_of(file.stem)
        yield Source(name=file.as_posix() if whole_name else short, split=split, rows=_reader(file))


def _reader(file: Path) -> Callable[[], Iterator[RawRow]]:
    return lambda: read_rows(file)


def _stored(name: str, splits: dict[str, Iterator[RawRow]]) -> Iterator[Source]:
    for split, rows in splits.items():
        yield Source(name=f"{name}/{split}", split=split_of(split), rows=_once(rows))


def _once(rows: Iterator[RawRow]) -> Callable[[], Iterator[RawRow]]:
    return lambda: rows


def _files_in(directory: Path) -> list[Path]:
    """Its data files. Plain text is data only where nothing else is: beside tables it is a licence or a readme.

    SNIPS ships ``train_X.json`` (a part) and ``train_X_full.json``: the full one is taken.
    """
    paths = sorted(one for one in directory.rglob("*") if one.is_file() and one.suffix.lower() in SUFFIXES)
    paths = [one for one in paths if one.suffix.lower() != ".txt"] or paths
    names = set(paths)
    return [one for one in paths if one.with_name(f"{one.stem}_full{one.suffix}") not in names]


def split_of(name: str) -> str:
    """The split that a file's or a stored split's name begins with."""
    name = name.lower()
    if name.startswith("test"):
        return "test"
    return "validation" if name.startswith(("valid", "dev", "eval")) else "train"


def source_name(names: Sequence[str]) -> str:
    """What a dataset is called after its sources: the first one's name, or its folder's when that says only a split."""
    first = names[0].removeprefix(HUB)
    path = Path(first)
    if path.is_file():
        # One file of a split is named after its folder, as is any of several.
        return path.resolve().parent.name if path.stem in SPLITS or len(names) > 1 else path.stem
    return path.resolve().name if path.exists() else first.rsplit("/", 1)[-1]
