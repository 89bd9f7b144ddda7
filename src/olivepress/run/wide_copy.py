"""A float32 copy of a genai model: the same weights, already rounded to 16 bits, with arithmetic every CPU has.

ONNX Runtime's CPU provider runs float16 graphs by itself (it casts around what it lacks), but has no bfloat16 MatMul,
MatMulNBits or GroupQueryAttention. The copy answers "is the graph right and what did rounding the weights cost", not
"what does 16-bit arithmetic cost".
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx

__all__ = ["narrow_types", "neutral_config", "wide_copy"]

FLOAT, FLOAT16, BFLOAT16 = 1, 10, 16  # TensorProto.DataType
NARROW = {FLOAT16: "float16", BFLOAT16: "bfloat16"}


def narrow_types(model_dir: Path) -> frozenset[str]:
    """Which of float16 and bfloat16 the weights of ``model_dir/model.onnx`` have; reads no weights."""
    import onnx

    graph = onnx.load(str(model_dir / "model.onnx"), load_external_data=False).graph
    return frozenset(NARROW[tensor.data_type] for tensor in graph.initializer if tensor.data_type in NARROW)


def wide_copy(model_dir: Path, folder: Path) -> Path:
    """Write to ``folder`` a copy of the genai model whose every 16-bit float is a float32, with no provider asked for.

    Takes twice the space of the 16-bit weights, and the memory of the whole model. ``folder`` is replaced.
    """
    import onnx

    model = onnx.load(str(model_dir / "model.onnx"))
    _widen_graph(model.graph)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    onnx.save(
        model,
        str(folder / "model.onnx"),
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location="model.onnx.data",
        size_threshold=1024,
    )
    for path in model_dir.iterdir():
        if path.is_file() and path.name not in ("model.onnx", "model.onnx.data", "genai_config.json"):
            (folder / path.name).symlink_to(path.resolve())
    config = json.loads((model_dir / "genai_config.json").read_text(encoding="utf-8"))
    (folder / "genai_config.json").write_text(json.dumps(neutral_config(config)), encoding="utf-8")
    return folder


def neutral_config(config: Any) -> Any:
    """The same genai configuration with every ``provider_options`` list empty: genai then takes the CPU."""
    if isinstance(config, dict):
        return {key: [] if key == "provider_options" else neutral_config(value) for key, value in config.items()}
    return [neutral_config(value) for value in config] if isinstance(config, list) else config


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
