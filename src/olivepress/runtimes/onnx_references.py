"""Files that an ONNX model refers to, and operators that do more than compute: read without the ``onnx`` package.

A tensor may have its bytes in another file (``external_data``), and a compiled part of a graph its context
(``ep_cache_context`` of an EPContext node). ONNX Runtime opens both; a name of external data may even stand for an
address in memory. All tensors and nodes are checked, including those of subgraphs and functions.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from olivepress.runtimes.onnx_graph import MAX_BYTES, Reader

__all__ = ["References", "read_references"]

# (kind of message, field number) → kind of the nested message; from onnx/onnx.proto.
_INSIDE = {
    ("model", 7): "graph",
    ("model", 20): "training",
    ("model", 25): "function",
    ("training", 1): "graph",
    ("training", 2): "graph",
    ("graph", 1): "node",
    ("graph", 5): "tensor",
    ("graph", 15): "sparse",
    ("function", 7): "node",
    ("function", 11): "attribute",
    ("node", 5): "attribute",
    ("attribute", 5): "tensor",
    ("attribute", 6): "graph",
    ("attribute", 10): "tensor",
    ("attribute", 11): "graph",
    ("attribute", 22): "sparse",
    ("attribute", 23): "sparse",
    ("sparse", 1): "tensor",
    ("sparse", 2): "tensor",
}
# Operators that run Python, load a library or call a service, where a build of the runtime has them.
_MORE_THAN_MATHS = frozenset({"PyOp", "PythonOp", "PythonOpGrad", "ATen", "Snpe", "TritonOp", "ExternalGradient"})
_FOREIGN_DOMAINS = ("ai.onnx.contrib", "com.microsoft.extensions")
_MOST = 100_000


@dataclass(frozen=True, kw_only=True)
class References:
    """``files`` are names as written in the model; ``operators`` those that do more than compute."""

    files: frozenset[str]
    operators: frozenset[str]


def read_references(path: Path) -> References:
    """The references of a model. ValueError when it is not a complete ONNX model, OSError as reading raises it."""
    if path.stat().st_size == 0:
        raise ValueError("it is empty")
    with path.open("rb") as file:
        # Mapped, not read: weights inside the file are skipped without touching them.
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if len(data) > MAX_BYTES:
        raise ValueError(f"{len(data)} bytes, protobuf ends at {MAX_BYTES}")
    reader, files, operators = Reader(), set[str](), set[str]()
    waiting: list[tuple[str, memoryview]] = [("model", data)]
    while waiting:
        kind, body = waiting.pop()
        fields = [(number, value) for number, value in reader.fields(body) if isinstance(value, memoryview)]
        waiting += [(_INSIDE[kind, number], value) for number, value in fields if (kind, number) in _INSIDE]
        if kind == "tensor":
            files.update(_locations(reader, [value for number, value in fields if number == 13]))
        elif kind == "node":
            operator = _operator(fields)
            domain, _, name = operator.rpartition("::")
            if name in _MORE_THAN_MATHS or domain in _FOREIGN_DOMAINS:
                operators.add(operator)
            if name == "EPContext":
                files.update(_contexts(reader, [value for number, value in fields if number == 5]))
        if len(files) > _MOST or len(waiting) > 20 * _MOST:
            raise ValueError("it refers to more files than a model can have")
    return References(files=frozenset(files), operators=frozenset(operators))


def _text(data: memoryview) -> str:
    return bytes(data[:1000]).decode("utf-8", errors="replace")


def _operator(fields: list[tuple[int, memoryview]]) -> str:
    """``domain::name`` of a node; of a repeated field protobuf uses the last."""
    domain, name = ([_text(value) for number, value in fields if number == wanted][-1:] for wanted in (7, 4))
    return f"{''.join(domain)}::{''.join(name)}"


def _locations(reader: Reader, entries: list[memoryview]) -> Iterator[str]:
    """Values of the key ``location`` among the key and value pairs of ``external_data``."""
    for entry in entries:
        fields = [(number, value) for number, value in reader.fields(entry) if isinstance(value, memoryview)]
        if any(_text(value) == "location" for number, value in fields if number == 1):
            yield from (_text(value) for number, value in fields if number == 2)


def _contexts(reader: Reader, attributes: list[memoryview]) -> Iterator[str]:
    """Files with what a provider compiled. With ``embed_mode`` 0 the context is a file name, by default its bytes.

    Of repeated attributes each counts: it is not known which of them a runtime uses.
    """
    embedded, contexts = True, list[str]()
    for attribute in attributes:
        name, number_value, text = "", 0, ""
        for number, value in reader.fields(attribute):
            if number == 1 and isinstance(value, memoryview):
                name = _text(value)
            elif number == 3 and isinstance(value, int):
                number_value = value
            elif number == 4 and isinstance(value, memoryview):
                text = _text(value)
        if name == "embed_mode":
            embedded = embedded and number_value != 0
        elif name == "ep_cache_context":
            contexts.append(text)
        elif name == "onnx_model_filename" and text:
            yield text
    if not embedded:
        yield from filter(None, contexts)
