"""The version of a dataset: sha256 of its content, never of file names."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

from olivepress.data.store.examples import SPLITS

__all__ = ["Hashes", "VersionHasher", "hash_splits"]


class Hashes:
    """``version``: of all rows in their order; ``content``: of each split, whatever the order of its rows.

    Training depends on the order, so the version does; two datasets with the same ``content`` hold the same rows.
    """

    def __init__(self, version: str, content: dict[str, str], files: dict[str, str]) -> None:
        self.version, self.content, self.files = version, content, files


class VersionHasher:
    """Takes lines split by split, in the order of SPLITS."""

    def __init__(self) -> None:
        self._all = hashlib.sha256()
        self._content: dict[str, str] = {}
        self._files: dict[str, str] = {}

    def split(self, name: str, lines: Iterable[bytes]) -> int:
        """Hash one split; returns the number of its rows. Memory: 32 bytes a row."""
        self._all.update(f"{name}\n".encode())
        file_hash, digests = hashlib.sha256(), bytearray()
        for line in lines:
            self._all.update(line)
            file_hash.update(line)
            digests += hashlib.sha256(line).digest()
        ordered = np.sort(np.frombuffer(bytes(digests), "S32"))
        self._content[name] = hashlib.sha256(ordered.tobytes()).hexdigest()
        self._files[f"{name}.jsonl"] = file_hash.hexdigest()
        return len(ordered)

    def hashes(self) -> Hashes:
        return Hashes(self._all.hexdigest(), self._content, self._files)


def hash_splits(splits: Mapping[str, Iterable[bytes]]) -> Hashes:
    """Hashes of splits given by their lines."""
    hasher = VersionHasher()
    for name in SPLITS:
        hasher.split(name, splits[name])
    return hasher.hashes()
