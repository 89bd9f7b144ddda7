"""Weights with the same bytes are stored once: a quantized embedding and the head that is tied to it are such a pair.

Olive stores both. Only the places in the file of weights change; every tensor keeps its name, type and shape, so that
graphs and what they compute stay as they are.
"""

from __future__ import annotations

import hashlib
import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from olivepress.core.files import new_file
from olivepress.runtimes.weights import EVERY_POSITION

if TYPE_CHECKING:
    import onnx

__all__ = ["share_weights"]

LEAST_BYTES = 1 << 20  # smaller tensors are not compared
ALIGNMENT = 4096  # bytes: a page, since runtimes map the file
CHUNK_BYTES = 64 << 20  # copied at once
_Place = tuple[int, int]  # offset and length, in bytes


def share_weights(output: Path) -> int:
    """Store equal weights of ``model.onnx`` once. Returns the bytes saved; 0 where none are equal, or where the folder
    has no such graph or more than one file of weights, which are then left alone."""
    import onnx

    path = output / EVERY_POSITION
    if not path.is_file():
        return 0
    model = onnx.load(str(path), load_external_data=False)
    external = [tensor for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    files = {_entry(tensor, "location") for tensor in external}
    if len(files) != 1:
        return 0
    data = output / files.pop()
    before = data.stat().st_size
    places = _first_places(data, sorted({_place(tensor) for tensor in external}))
    if all(place == first for place, first in places.items()):
        return 0
    offsets = _rewrite(data, sorted(set(places.values())))
    for tensor in external:
        _set_offset(tensor, offsets[places[_place(tensor)]])
    onnx.save(model, str(path))
    return before - data.stat().st_size


def _entry(tensor: onnx.TensorProto, key: str) -> str:
    return next((entry.value for entry in tensor.external_data if entry.key == key), "")


def _place(tensor: onnx.TensorProto) -> _Place:
    return int(_entry(tensor, "offset") or 0), int(_entry(tensor, "length"))


def _set_offset(tensor: onnx.TensorProto, offset: int) -> None:
    entries = {entry.key: entry.value for entry in tensor.external_data if entry.key != "checksum"}
    del tensor.external_data[:]
    for key, value in (entries | {"offset": str(offset)}).items():
        tensor.external_data.add(key=key, value=value)


def _first_places(data: Path, places: Sequence[_Place]) -> dict[_Place, _Place]:
    """Each place → the first one with the same bytes."""
    by_content: dict[tuple[int, bytes], _Place] = {}
    first: dict[_Place, _Place] = {}
    with data.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as view:
        for place in places:
            offset, length = place
            if length < LEAST_BYTES:
                first[place] = place
                continue
            with memoryview(view) as whole:
                digest = hashlib.sha256(whole[offset : offset + length]).digest()
            first[place] = by_content.setdefault((length, digest), place)
    return first


def _rewrite(data: Path, places: Sequence[_Place]) -> dict[_Place, int]:
    """Rewrite the file with these places alone, each on a page. Returns the new offset of each."""
    offsets: dict[_Place, int] = {}
    with new_file(data) as partial, data.open("rb") as file, partial.open("wb") as out:
        for offset, length in places:
            out.write(bytes(-out.tell() % ALIGNMENT))
            offsets[offset, length] = out.tell()
            file.seek(offset)
            for begin in range(0, length, CHUNK_BYTES):
                out.write(file.read(min(CHUNK_BYTES, length - begin)))
    return offsets
