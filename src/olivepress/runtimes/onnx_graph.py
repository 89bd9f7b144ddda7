"""Nodes, shapes of weights and inputs of an ONNX file, without the ``onnx`` package, which devices do not install.

Reads only the protobuf fields named here (onnx/onnx.proto of ONNX 1.x). Files are untrusted input: no allocation
follows a stated length, nothing recurses, and the work is bounded.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from olivepress.core.errors import JobError

__all__ = ["ELEMENT_BITS", "Graph", "GraphError", "Node", "Reader", "Tensor", "load_graph", "parse_graph"]

MAX_BYTES = 2**31  # protobuf's own limit
MAX_FIELDS = 2_000_000  # a graph of 32 layers has some 20,000
MAX_RANK = 16
# TensorProto.DataType → bits of one element. Strings have none.
ELEMENT_BITS = (
    dict.fromkeys((2, 3, 9, 17, 18, 19, 20, 24), 8)
    | dict.fromkeys((4, 5, 10, 16), 16)
    | dict.fromkeys((1, 6, 12), 32)
    | dict.fromkeys((7, 11, 13, 14), 64)
    | {15: 128, 21: 4, 22: 4, 23: 4, 25: 2, 26: 2}
)
INTEGERS = frozenset({2, 3, 4, 5, 6, 7, 12, 13})

Field = tuple[int, "int | memoryview"]


class GraphError(JobError):
    """The graph of a model folder cannot be read, or lacks what was requested of it.

    The message is the reason without the folder's path: callers put it into a report or after the path.
    """


@dataclass(frozen=True)
class Node:
    name: str
    op_type: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Tensor:
    """A weight of the graph; ``data_type`` as TensorProto numbers it."""

    name: str
    dims: tuple[int, ...]
    data_type: int

    @property
    def bits(self) -> int:
        """Of all its elements; ValueError for strings and unknown element types."""
        if self.data_type not in ELEMENT_BITS:
            raise ValueError(f"{self.name[:80]} has elements of the unknown type {self.data_type}")
        total = ELEMENT_BITS[self.data_type]
        for dim in self.dims:
            total *= dim
        return total


@dataclass(frozen=True)
class Graph:
    """The main graph: ``inputs`` name → element type. Subgraphs (If, Loop) are not read."""

    nodes: tuple[Node, ...]
    initializers: dict[str, Tensor]
    inputs: dict[str, int]


def load_graph(path: Path) -> Graph:
    """The graph of the file. GraphError when it cannot be read, is damaged or too large."""
    try:
        with path.open("rb") as file:
            # Mapped, not read: weights inside the file are skipped without touching them.
            data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        return parse_graph(data)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise GraphError(f"{path.name} cannot be read ({reason})") from error


def parse_graph(data: memoryview) -> Graph:
    """The graph of a serialized ModelProto; ValueError when it is damaged, too large, or has no graph."""
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data)} bytes, protobuf ends at {MAX_BYTES}")
    reader = Reader()
    graphs = [body for number, body in reader.fields(data) if number == 7 and isinstance(body, memoryview)]
    if not graphs:
        raise ValueError("it contains no graph")
    nodes, tensors, inputs = [], [], {}
    for number, body in reader.fields(graphs[-1]):
        if not isinstance(body, memoryview):
            continue
        if number == 1:
            nodes.append(_node(reader, body))
        elif number == 5:
            tensors.append(_tensor(reader, body))
        elif number == 11:
            name, kind = _input(reader, body)
            inputs[name] = kind
    return Graph(tuple(nodes), {tensor.name: tensor for tensor in tensors}, inputs)


def _node(reader: Reader, data: memoryview) -> Node:
    texts: dict[int, list[str]] = {1: [], 2: [], 3: [], 4: []}
    for number, body in reader.fields(data):
        if number in texts and isinstance(body, memoryview):
            texts[number].append(_text(body))
    name, op_type = ("".join(texts[number][-1:]) for number in (3, 4))
    return Node(name, op_type, tuple(texts[1]), tuple(texts[2]))


def _tensor(reader: Reader, data: memoryview) -> Tensor:
    name, dims, data_type = "", list[int](), 0
    for number, body in reader.fields(data):
        if number == 1:  # dims, single or packed
            dims += [body] if isinstance(body, int) else reader.varints(body)
        elif number == 2 and isinstance(body, int):
            data_type = body
        elif number == 8 and isinstance(body, memoryview):
            name = _text(body)
        if len(dims) > MAX_RANK:
            raise ValueError("a tensor has too many dimensions")
    if any(dim >= 2**48 for dim in dims):  # negative dimensions as well, which are large numbers in a varint
        raise ValueError("a tensor has an impossible dimension")
    return Tensor(name, tuple(dims), data_type)


def _input(reader: Reader, data: memoryview) -> tuple[str, int]:
    """ValueInfoProto: name (1) and type (2) → tensor_type (1) → elem_type (1); type 0 when it is not a tensor."""
    name, kind = "", 0
    for number, body in reader.fields(data):
        if number == 1 and isinstance(body, memoryview):
            name = _text(body)
        elif number == 2 and isinstance(body, memoryview):
            tensors = [inner for at, inner in reader.fields(body) if at == 1 and isinstance(inner, memoryview)]
            kinds = [value for tensor in tensors for at, value in reader.fields(tensor) if at == 1]
            kind = next((value for value in kinds if isinstance(value, int)), 0)
    return name, kind


def _text(data: memoryview) -> str:
    return bytes(data).decode("utf-8", errors="replace")


class Reader:
    """Protobuf's wire format (protobuf.dev/programming-guides/encoding); limits the number of fields per file."""

    def __init__(self) -> None:
        self.left = MAX_FIELDS

    def fields(self, data: memoryview) -> Iterator[Field]:
        """(number, value) of each field: an int for varints, the bytes for the rest."""
        at = 0
        while at < len(data):
            tag, at = self._varint(data, at)
            wire, length = tag & 7, 0
            if wire == 0:
                value, at = self._varint(data, at)
                yield tag >> 3, value
                continue
            if wire == 2:
                length, at = self._varint(data, at)
            elif wire in (1, 5):
                length = 8 if wire == 1 else 4
            else:
                raise ValueError(f"wire type {wire} at byte {at}")
            if length > len(data) - at:
                raise ValueError("a length runs beyond the end")
            yield tag >> 3, data[at : at + length]
            at += length

    def varints(self, data: memoryview) -> list[int]:
        """A packed list of integers, at most one more than a tensor may have dimensions."""
        at, values = 0, list[int]()
        while at < len(data) and len(values) <= MAX_RANK:
            value, at = self._varint(data, at)
            values.append(value)
        return values

    def _varint(self, data: memoryview, at: int) -> tuple[int, int]:
        self.left -= 1
        if self.left < 0:
            raise ValueError("it has more fields than a model can have")
        value = 0
        for shift in range(0, 70, 7):
            if at >= len(data):
                raise ValueError("it ends inside a number")
            byte = data[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value, at
        raise ValueError("a number has more than ten bytes")
