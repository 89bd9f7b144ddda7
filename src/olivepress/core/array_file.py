"""NumPy files from elsewhere: how much memory they take is read from their headers before anything is unpacked.

``.npz`` is a zip file: 4 MB of deflated zeros are 4 GB, and a header of 100 bytes may ask for any shape.
"""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import IO

import numpy as np

from olivepress.core.bounded import open_regular
from olivepress.core.errors import JobError

__all__ = ["LARGEST", "map_logits", "read_arrays"]

LARGEST = 4 * 1024**3  # bytes: 128 prompts of 4,096 tokens with 256 log-probabilities each take 1.1 GB
_NUMBERS = "iuf"


def read_arrays(file: Path, names: Collection[str]) -> dict[str, np.ndarray]:
    """The arrays of a ``.npz`` file that ``np.savez`` wrote: exactly ``names``, whole and floating-point numbers.

    ValueError for anything else, for members that are compressed, and for headers that ask for more than is there;
    OSError and JobError (no regular file) as ``open_regular``.
    """
    with open_regular(file, JobError) as opened:
        try:
            with zipfile.ZipFile(opened) as archive:
                _check_members(archive, names)
                return {name: _array(archive, f"{name}.npy") for name in names}
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, OverflowError) as error:
            raise ValueError(str(error) or type(error).__name__) from error


def _check_members(archive: zipfile.ZipFile, names: Collection[str]) -> None:
    infos = archive.infolist()
    members = sorted(info.filename for info in infos)
    if members != sorted(f"{name}.npy" for name in names):
        missing = sorted(set(names) - {name.removesuffix(".npy") for name in members})
        raise ValueError(f"{missing[0]} is missing" if missing else "it has arrays that do not belong to it")
    total = sum(info.file_size for info in infos)
    if any(info.compress_type != zipfile.ZIP_STORED or info.compress_size != info.file_size for info in infos):
        raise ValueError(f"its arrays are compressed, of {total:,} bytes when unpacked; olivepress never writes that")
    if total > LARGEST:
        raise ValueError(f"its arrays take {total:,} bytes, at most {LARGEST:,} are read")


def _array(archive: zipfile.ZipFile, name: str) -> np.ndarray:
    info = archive.getinfo(name)
    with archive.open(info) as member:
        shape, dtype = _header(member, name)
        header = member.tell()
        if dtype.kind not in _NUMBERS or math.prod(shape) * dtype.itemsize != info.file_size - header:
            raise ValueError(f"{name}: its header asks for {dtype} {list(shape)[:4]}, which is not what is there")
    with archive.open(info) as member:
        return np.asarray(np.lib.format.read_array(member, allow_pickle=False))


def _header(member: IO[bytes], name: str) -> tuple[tuple[int, ...], np.dtype]:
    version = np.lib.format.read_magic(member)
    if version not in ((1, 0), (2, 0)):
        raise ValueError(f"{name}: not a NumPy array of version 1 or 2")
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    try:
        shape, _, dtype = read(member)
    except Exception as error:  # NumPy reads it with Python's own parser, whose errors have no common base
        raise ValueError(f"{name}: no header of a NumPy array ({type(error).__name__})") from error
    if min(shape, default=0) < 0:
        raise ValueError(f"{name}: a dimension below 0")
    return shape, dtype


def map_logits(file: Path) -> np.ndarray:
    """Logits [tokens, vocabulary] of a ``.npy`` file, mapped from disk. JobError for anything else."""
    try:
        open_regular(file, JobError).close()
        logits = np.load(file, mmap_mode="r", allow_pickle=False)
        if not isinstance(logits, np.ndarray) or logits.ndim != 2 or logits.dtype.kind != "f":
            raise ValueError("expected floating-point numbers, tokens x vocabulary")
    except (OSError, ValueError, EOFError, OverflowError, zipfile.BadZipFile) as error:
        reason = str(error).split("\n")[0][:200]
        raise JobError(f"{file}: not logits ({reason})", next_step="olivepress run makes them again") from error
    return logits
