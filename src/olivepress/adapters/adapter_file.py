"""Reads and writes ``.onnx_adapter`` files, ONNX Runtime's format, with ONNX Runtime."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from olivepress.core.errors import AdapterError
from olivepress.core.files import new_file
from olivepress.runtimes.placement import import_onnxruntime

if TYPE_CHECKING:
    import numpy as np

__all__ = ["SUFFIX", "read_adapter_file", "write_adapter_file"]

SUFFIX = ".onnx_adapter"
_VERSION = 1


def write_adapter_file(path: Path, tensors: Mapping[str, np.ndarray]) -> None:
    """Write tensors by the names of the base's inputs, in one step. SetupError without ONNX Runtime or disk space."""
    ort = import_onnxruntime()
    adapter = ort.AdapterFormat()
    adapter.set_adapter_version(_VERSION)
    adapter.set_model_version(_VERSION)
    adapter.set_parameters({name: ort.OrtValue.ortvalue_from_numpy(tensor) for name, tensor in tensors.items()})
    with new_file(path) as partial:
        adapter.export_adapter(str(partial))


def read_adapter_file(path: Path) -> dict[str, np.ndarray]:
    """The tensors of an adapter file by name.

    AdapterError for a file that is truncated (it names the first missing tensor) or not in ONNX Runtime's format;
    SetupError without ONNX Runtime.
    """
    ort = import_onnxruntime()
    try:
        adapter = ort.AdapterFormat.read_adapter(str(path))
        return {name: value.numpy().copy() for name, value in adapter.get_parameters().items()}
    except Exception as error:  # the runtime's errors have no common base
        reason = _truncation(path) or "not an adapter file of ONNX Runtime"
        raise AdapterError(f"{path}: {reason}", next_step="olivepress adapters remove it, then add it again") from error


def _truncation(path: Path) -> str | None:
    """The first tensor beyond the end of the file, by ONNX Runtime's adapter_schema.fbs; None when it is complete."""
    import struct

    from flatbuffers import encode
    from flatbuffers import number_types as types
    from flatbuffers.table import Table

    data = bytearray(path.read_bytes())
    unreadable = (struct.error, IndexError, TypeError, ValueError)
    try:
        root = Table(data, encode.Get(types.UOffsetTFlags.packer_type, data, 0))
        listed = root.Offset(10)  # parameters, the fourth field
        begin, count = root.Vector(listed), root.VectorLen(listed)
    except unreadable:
        return "truncated, none of its tensors can be read" if data[4:8] == b"TORT" else None
    for index in range(min(count, len(data) // 4)):
        name = f"{index + 1} of {count}"
        try:
            entry = Table(data, root.Indirect(begin + 4 * index))
            name = entry.String(entry.Offset(4) + entry.Pos).decode("utf-8", "replace")[:200]
            fields = (entry.Offset(4), entry.Offset(10))  # name and values
            whole = all(entry.Vector(field) + entry.VectorLen(field) <= len(data) for field in fields)
        except unreadable:
            whole = False
        if not whole:
            return f"truncated, tensor {name} is incomplete"
    return None
