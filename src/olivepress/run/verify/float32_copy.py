"""A float32 copy of a genai model: the same weights, already rounded to 16 bits, with arithmetic every CPU has.

ONNX Runtime's CPU provider runs float16 graphs by itself (it casts around what it lacks), but has no bfloat16 MatMul,
MatMulNBits or GroupQueryAttention. The copy answers "is the graph right and what did rounding the weights cost", not
"what does 16-bit arithmetic cost".
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from olivepress.runtimes.linked_copy import cpu_copy

if TYPE_CHECKING:
    import onnx

__all__ = ["wide_copy"]

FLOAT, FLOAT16, BFLOAT16 = 1, 10, 16  # TensorProto.DataType
NARROW = (FLOAT16, BFLOAT16)


def wide_copy(model_dir: Path, folder: Path) -> Path:
    """Write to ``folder`` a copy of the genai model whose every 16-bit float is a float32, with no provider asked for.

    Takes twice the space of the 16-bit weights, and the memory of the whole model. ``folder`` is replaced.
    JobError as ``cpu_copy``.
    """
    import onnx

    model = onnx.load(str(model_dir / "model.onnx"))
    _widen_graph(model.graph)
    cpu_copy(model_dir, folder)
    for name in ("model.onnx", "model.onnx.data"):  # links to the narrow ones
        (folder / name).unlink(missing_ok=True)
    onnx.save(
        model,
        str(folder / "model.onnx"),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location="model.onnx.data",
        size_threshold=1024,
    )
    return folder


def _widen_graph(graph: onnx.GraphProto) -> None:
    """Initializers, types of values, constants and the targets of casts, subgraphs (longrope's If) included."""
    for tensor in graph.initializer:
        _widen_tensor(tensor)
    for value in (*graph.input, *graph.output, *graph.value_info):
        if value.type.tensor_type.elem_type in NARROW:
            value.type.tensor_type.elem_type = FLOAT
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name in ("to", "dtype") and attribute.i in NARROW:
                attribute.i = FLOAT
            if attribute.HasField("t"):
                _widen_tensor(attribute.t)
            if attribute.HasField("g"):
                _widen_graph(attribute.g)


def _widen_tensor(tensor: onnx.TensorProto) -> None:
    from onnx import numpy_helper

    if tensor.data_type in NARROW:
        values = numpy_helper.to_array(tensor).astype(np.float32)
        tensor.CopyFrom(numpy_helper.from_array(values, tensor.name))
