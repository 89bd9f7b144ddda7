"""The data files of a directory, without those that a clone from the Hub, git or an editor adds."""

from __future__ import annotations

from pathlib import Path

from olivepress.core.errors import DataError
from olivepress.data.read.file_kinds import SUFFIXES, kind_of

__all__ = ["data_files"]

# Files with the suffix of a data file that describe a dataset or a project.
_ABOUT = frozenset(
    ("dataset_info.json", "dataset_infos.json", "dataset_dict.json", "state.json", "config.json", "package.json",
     "package-lock.json", "tsconfig.json", "croissant.json", "requirements.txt", "license.txt", "licence.txt",
     "readme.txt", "notice.txt", "robots.txt", "manifest.json", "provenance.json", "datapackage.json")
)  # fmt: skip
# Formats that may contain rows but are not supported: skipping them silently could lose a test split.
_NOT_READ = frozenset(
    (".arrow", ".feather", ".orc", ".avro", ".zip", ".tar", ".tgz", ".bz2", ".7z", ".rar", ".pkl", ".pickle", ".npz",
     ".npy", ".h5", ".hdf5", ".xml", ".lz4", ".br", ".snappy")
)  # fmt: skip


def data_files(directory: Path) -> list[Path]:
    """The data files. Plain text counts only if there is nothing else: next to tables it is a license or a readme.

    SNIPS ships ``train_X.json`` (a part) and ``train_X_full.json``: the full one is used. Raises DataError for files
    that may contain rows but are not supported.
    """
    files = sorted(path for path in directory.rglob("*") if path.is_file() and _is_visible(path, directory))
    foreign = [path for path in files if path.suffix.lower() in _NOT_READ or _is_packed_unknown(path)]
    if foreign:
        raise DataError(
            f"{foreign[0]}: may contain rows, but is not supported",
            next_step="unpack or export it, or name the files to read",
        )
    paths = [path for path in files if kind_of(path)[0] in SUFFIXES and path.name.lower() not in _ABOUT]
    paths = [path for path in paths if kind_of(path)[0] != ".txt"] or paths
    names = set(paths)
    return [path for path in paths if path.with_name(f"{path.stem}_full{path.suffix}") not in names]


def _is_visible(path: Path, directory: Path) -> bool:
    """Whether it is neither hidden nor in ``.git``, ``.cache`` or another hidden folder."""
    return not any(part.startswith((".", "__MACOSX")) for part in path.relative_to(directory).parts)


def _is_packed_unknown(path: Path) -> bool:
    suffix, packing = kind_of(path)
    return bool(packing) and suffix not in SUFFIXES
