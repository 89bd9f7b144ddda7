"""Tensors of safetensors files, one in memory at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from olivepress.checkpoint import weight_files
from olivepress.core.errors import JobError, RecipeError

__all__ = ["Weights", "read_tensors", "tensor_names"]


def tensor_names(path: Path) -> list[str]:
    """Names in the file. JobError when it cannot be opened."""
    from safetensors import safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            return list(file.keys())
    except Exception as error:
        raise _unreadable(path, error) from error


def read_tensors(path: Path) -> Iterator[tuple[str, Any]]:
    """(name, torch tensor) of the file, one after the other. JobError when it cannot be opened."""
    from safetensors import safe_open

    try:
        with safe_open(str(path), framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (safe_open is no mapping)
                yield name, file.get_tensor(name)
    except Exception as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> JobError:
    return JobError(f"{path}: cannot be opened ({error})", next_step="run the job again")


class Weights:
    """All tensors of a model folder by name, in the files that its index names. A tied head is the embedding."""

    def __init__(self, directory: Path) -> None:
        """JobError when a file cannot be opened, or one that the index names is missing."""
        try:
            files = weight_files(directory)
        except RecipeError as error:
            raise JobError(error.message, next_step="run the job again") from error
        self._files = {name: path for path in files for name in tensor_names(path)}
        if "lm_head.weight" not in self._files and "model.embed_tokens.weight" in self._files:
            self._tied = {"lm_head.weight": "model.embed_tokens.weight"}
        else:
            self._tied = dict[str, str]()

    def __contains__(self, name: str) -> bool:
        return self._tied.get(name, name) in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def read(self, name: str) -> Any:
        """The torch tensor of that name. KeyError when there is none."""
        from safetensors import safe_open

        stored = self._tied.get(name, name)
        with safe_open(str(self._files[stored]), framework="pt") as file:
            return file.get_tensor(stored)
