"""One product for gate and up instead of two: half the starts of a kernel and half the roundings of its input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["fuse_gate_and_up"]


def fuse_gate_and_up(model: Path) -> int:
    """Rewrite ``model.onnx``: MatMulNBits gate and up of a layer become one, split after it. Returns how many."""
    import onnx

    proto = onnx.load(model / "model.onnx")
    graph, nodes = proto.graph, {node.name: node for node in proto.graph.node}
    weights = {tensor.name: tensor for tensor in graph.initializer}
    gates = [node for node in graph.node if node.op_type == "MatMulNBits" and "gate_proj" in node.name]
    for gate in gates:
        _fuse(graph, gate, nodes[gate.name.replace("gate_proj", "up_proj")], weights)
    data = model / "model.onnx.data"
    data.unlink(missing_ok=True)
    onnx.save(proto, model / "model.onnx", save_as_external_data=True, location=data.name)
    return len(gates)


def _fuse(graph: Any, gate: Any, up: Any, weights: dict[str, Any]) -> None:
    import numpy as np
    from onnx import helper, numpy_helper

    if gate.input[0] != up.input[0]:
        raise ValueError(f"{gate.name}: gate and up read different inputs")
    attributes = {one.name: helper.get_attribute_value(one) for one in gate.attribute}
    inputs, rows = [gate.input[0]], attributes["N"]
    for mine, other in zip(gate.input[1:], up.input[1:], strict=True):
        joined = np.concatenate([numpy_helper.to_array(weights[name]) for name in (mine, other)])
        inputs.append(mine.replace("gate_proj", "gate_up_proj"))
        graph.initializer.append(numpy_helper.from_array(joined, inputs[-1]))
        for name in (mine, other):
            graph.initializer.remove(weights[name])
    sizes = f"{gate.name}/sizes"
    graph.initializer.append(numpy_helper.from_array(np.array([rows, rows], dtype=np.int64), sizes))
    name, whole = gate.name.replace("gate_proj", "gate_up_proj"), f"{gate.output[0]}/with_up"
    product = helper.make_node("MatMulNBits", inputs, [whole], name=name, domain=gate.domain,
                               **attributes | {"N": 2 * rows})  # fmt: skip
    split = helper.make_node("Split", [whole, sizes], [gate.output[0], up.output[0]], name=f"{name}/Split", axis=-1)
    place = list(graph.node).index(gate)
    graph.node.remove(gate)
    graph.node.remove(up)
    graph.node.insert(place, product)
    graph.node.insert(place + 1, split)
