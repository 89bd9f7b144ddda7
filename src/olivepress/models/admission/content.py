"""The exact content of a base model: a sha256 over every byte that is used, and no NaN among its weights.

Reading 8 GB takes half a minute, so the hashes are kept in a cache (``hash_cache``).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.checkpoint import GENERATION_CONFIG, StoredTensor, read_files, read_header, weight_files
from olivepress.core.errors import RecipeError
from olivepress.core.hash_cache import is_settled, load_cache, save_cache, stamp
from olivepress.core.progress import Progress

__all__ = ["BaseModel", "check_small_weights", "read_base_model"]

_CHUNK = 1 << 24
_AT_ONCE = 1 << 27  # 128 MB
# Bits of the exponent: all of them set is NaN or infinity.
_EXPONENT = {"F32": ("<u4", 0x7F800000), "BF16": ("<u2", 0x7F80), "F16": ("<u2", 0x7C00)}


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """Hashes of a base model: ``training`` over the files that training reads, ``whole`` over generation_config.json
    too, which the merge copies."""

    training: str
    whole: str


@dataclass(frozen=True, kw_only=True)
class _Content:
    """``sha256`` of a file; ``broken`` names its first tensor with NaN or infinity, or is empty."""

    sha256: str
    broken: str


def read_base_model(directory: Path, cache: Path, progress: Progress | None = None) -> BaseModel:
    """Hash the files of a model folder that changed since they were added to ``cache``.

    Raises RecipeError: weights with NaN or infinity, or an incomplete file.
    """
    paths = read_files(directory)
    carried = tuple(path for path in (directory / GENERATION_CONFIG,) if path.is_file())
    before = load_cache(cache)
    known = dict(before)
    contents = _contents((*paths, *carried), known, progress)
    if known != before:
        save_cache(cache, known)
    for path in paths:
        _check_finite(path, contents[path])
    training = _digest(directory, paths, contents)
    return BaseModel(training=training, whole=_digest(directory, (*paths, *carried), contents))


def check_small_weights(directory: Path) -> None:
    """Raises RecipeError for NaN or infinity in weights that are read in a moment; larger ones wait for the run."""
    paths = weight_files(directory)
    if sum(path.stat().st_size for path in paths) > _AT_ONCE:
        return
    for path in paths:
        _check_finite(path, _read(path, lambda count: None))


def _check_finite(path: Path, content: _Content) -> None:
    if content.broken:
        raise RecipeError(
            f"{path}: {content.broken} contains NaN or infinity: every answer of this model is nonsense",
            next_step="fetch the weights again, or save them from the training once more",
        )


def _digest(directory: Path, paths: tuple[Path, ...], contents: Mapping[Path, _Content]) -> str:
    lines = [f"{path.relative_to(directory).as_posix()} {contents[path].sha256}" for path in paths]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _contents(paths: tuple[Path, ...], known: dict[str, Any], progress: Progress | None) -> dict[Path, _Content]:
    """What is in each file; ``known`` gets what was read now."""
    stats = {path: path.stat() for path in paths}
    contents = {path: content for path in paths if (content := _cached(known.get(str(path)), stats[path]))}
    wanted = [path for path in paths if path not in contents]
    total, done = sum(stats[path].st_size for path in wanted), 0
    for path in wanted:
        content = contents[path] = _read(path, _counting(progress, done, total))
        done += stats[path].st_size
        if is_settled(stats[path]) and stamp(path.stat()) == stamp(stats[path]):
            known[str(path)] = {"stamp": stamp(stats[path]), "sha256": content.sha256, "broken": content.broken}
    return contents


def _counting(progress: Progress | None, before: int, total: int) -> Callable[[int], None]:
    """Adds the files that were read before."""

    def report(count: int) -> None:
        if progress is not None:
            progress(before + count, total)

    return report


def _cached(entry: Any, status: os.stat_result) -> _Content | None:
    if not isinstance(entry, dict) or entry.get("stamp") != stamp(status):
        return None
    sha256, broken = entry.get("sha256"), entry.get("broken")
    return _Content(sha256=sha256, broken=broken) if isinstance(sha256, str) and isinstance(broken, str) else None


def _read(path: Path, report: Callable[[int], None]) -> _Content:
    digest, broken, count = hashlib.sha256(), "", 0
    tensors = read_header(path) if path.suffix == ".safetensors" else {}
    with path.open("rb") as file:
        for tensor, size in _pieces(path.stat().st_size, tensors):
            data = file.read(size)
            digest.update(data)
            count += len(data)
            report(count)
            if tensor is not None and not broken and not _is_finite(data, tensor.dtype):
                broken = tensor.name
    return _Content(sha256=digest.hexdigest(), broken=broken)


def _pieces(size: int, tensors: Mapping[str, StoredTensor]) -> Iterator[tuple[StoredTensor | None, int]]:
    """The file in pieces of at most 16 MB: (the tensor that a piece is of, its bytes)."""
    position = 0
    for tensor in sorted(tensors.values(), key=lambda tensor: (tensor.start, tensor.end)):
        yield from ((None, step) for step in _steps(position, tensor.start))
        yield from ((tensor, step) for step in _steps(max(position, tensor.start), tensor.end))
        position = max(position, tensor.end)
    yield from ((None, step) for step in _steps(position, size))


def _steps(start: int, end: int) -> Iterator[int]:
    while start < end:
        yield min(_CHUNK, end - start)
        start += _CHUNK


def _is_finite(data: bytes, dtype: str) -> bool:
    if dtype not in _EXPONENT:
        return True
    import numpy as np

    width, mask = _EXPONENT[dtype]
    values = np.frombuffer(data, dtype=width, count=len(data) // np.dtype(width).itemsize)
    return not bool(((values & mask) == mask).any())
