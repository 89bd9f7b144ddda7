"""Which files of a directory are data: not what a clone from the Hub, git or an editor leaves beside them."""

from __future__ import annotations

from pathlib import Path

from olivepress.core.errors import DataError
from olivepress.data.read.file_kinds import SUFFIXES, kind_of

__all__ = ["data_files"]

# Files with a suffix of data that describe a dataset or a project.
_ABOUT = frozenset(
    ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "config.json", "package.json",
     "package-lock.json", "tsconfig.json", "croissant.json", "requirements.txt", "license.txt", "licence.txt",
     "readme.txt", "notice.txt", "robots.txt", "manifest.json", "provenance.json", "datapackage.json")
)  # fmt: skip
# What may hold rows and is not read: left out in silence, a test split could be lost.
_NOT_READ = frozenset(
    (".arrow", ".feather", ".orc", ".avro", ".zip", ".tar", ".tgz", ".bz2", ".7z", ".rar", ".pkl", ".pickle", ".npz",
     ".npy", ".h5", ".hdf5", ".xml", ".lz4", ".br", ".snappy")
)  # fmt: skip


def data_files(directory: Path) -> list[Path]:
    """Its data files. Plain text is data only where nothing else is: beside tables it is a licence or a readme.

    SNIPS ships ``train_X.json`` (a part) and ``train_X_full.json``: the full one is taken. DataError for files that may
    hold rows and cannot be read.
    """
    files = sorted(path for path in directory.rglob("*") if path.is_file() and _is_visible(path, directory))
    foreign = [path for path in files if path.suffix.lower() in _NOT_READ or _is_packed_unknown(path)]
    if foreign:
        raise DataError(
            f"{foreign[0]}: may hold rows, and is not read",
            next_step="unpack or export it, or give the files that are to be read",
        )
    paths = [path for path in files if kind_of(path)[0] in SUFFIXES and path.name.lower() not in _ABOUT]
    paths = [path for path in paths if kind_of(path)[0] != ".txt"] or paths
    names = set(paths)
    return [path for path in paths if path.with_name(f"{path.stem}_full{path.suffix}") not in names]


def _is_visible(path: Path, directory: Path) -> bool:
    """Not in ``.git``, ``.cache`` or another hidden folder, and not hidden itself."""
    return not any(part.startswith((".", "__MACOSX")) for part in path.relative_to(directory).parts)


def _is_packed_unknown(path: Path) -> bool:
    suffix, packing = kind_of(path)
    return bool(packing) and suffix not in SUFFIXES
