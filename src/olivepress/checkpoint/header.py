"""The header of a safetensors file: 8 bytes of length, then JSON. Format: https://huggingface.co/docs/safetensors"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.core.bounded import HEADER, open_regular, parse_json
from olivepress.core.errors import OlivepressError, RecipeError

__all__ = ["ITEM_BYTES", "StoredTensor", "read_entries", "read_header"]

ITEM_BYTES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
    "I32": 4, "U32": 4, "F32": 4, "I64": 8, "U64": 8, "F64": 8,
}  # fmt: skip
"""Bytes of a number, by the dtype's name in a header."""


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """A tensor as its file's header describes it: its bytes are ``path[start:end]``."""

    name: str
    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int

    @property
    def numel(self) -> int:
        return math.prod(self.shape)


def read_entries(path: Path, error: type[OlivepressError] = RecipeError) -> tuple[dict[str, Any], int]:
    """The header's entry of each tensor by name, and the byte at which their data begins.

    Raises ValueError for a file without a readable header, ``error`` and OSError as ``bounded.open_regular``.
    """
    with open_regular(path, error) as file:
        size = int.from_bytes(file.read(8), "little")
        if not 0 < size <= HEADER:
            raise ValueError("header length out of range")
        header = parse_json(file.read(size))
    if not isinstance(header, dict):
        raise ValueError("the header is not a JSON object")
    return {name: entry for name, entry in header.items() if name != "__metadata__"}, 8 + size


def read_header(path: Path) -> dict[str, StoredTensor]:
    """All tensors of the file by name. Raises RecipeError when it is truncated or not a safetensors file."""
    try:
        entries, data = read_entries(path)
        tensors = {name: _tensor(path, name, entry, data) for name, entry in entries.items()}
        if path.stat().st_size != max((tensor.end for tensor in tensors.values()), default=data):
            raise ValueError("the size of the file does not match its header")
    except (OSError, ValueError, KeyError, TypeError, OverflowError) as error:
        raise RecipeError(
            f"{path}: not a complete safetensors file ({error})", next_step="download the file again"
        ) from None
    return tensors


def _tensor(path: Path, name: str, entry: dict[str, object], data: int) -> StoredTensor:
    shape, offsets, dtype = entry["shape"], entry["data_offsets"], entry["dtype"]
    if not isinstance(shape, list) or not isinstance(offsets, list) or not isinstance(dtype, str):
        raise TypeError(f"the entry of {name} has an unknown form")
    start, end = offsets
    tensor = StoredTensor(
        name=name, path=path, dtype=dtype, shape=tuple(shape), start=data + int(start), end=data + int(end)
    )
    width = ITEM_BYTES.get(dtype)
    if width is not None and tensor.end - tensor.start != tensor.numel * width:
        raise ValueError(f"{name} takes {tensor.end - tensor.start} bytes, its shape and dtype {tensor.numel * width}")
    return tensor
