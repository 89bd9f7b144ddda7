"""A base graph that accepts LoRA adapters: two inputs of free rank for every projection.

Olive can do this for a model that is built with an adapter (ModelBuilder, then ExtractAdapters), but only from weights
that are not quantized yet, with its int4 quantizing the adapter as well, and only for the projections and the split of
that adapter. This module extends any graph that ModelBuilder writes, whatever quantized its weights, and leaves the
base's results unchanged bit by bit. Names and layout are PEFT's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olivepress.adapters.projections import projection_of_input, projection_of_node
from olivepress.core.errors import AdapterError
from olivepress.core.messages import next_command
from olivepress.runtimes.onnx_graph import Graph, GraphError
from olivepress.runtimes.weights import load_decoder

if TYPE_CHECKING:
    import onnx

__all__ = ["DTYPES", "LoraInput", "add_lora_inputs", "read_lora_inputs"]

DTYPES = {1: "float32", 10: "float16"}  # TensorProto.DataType; the CPU has no bfloat16 to compare with


@dataclass(frozen=True, kw_only=True)
class LoraInput:
    """``shape`` as PEFT stores it: A is [rank, inputs], B is [outputs, rank]; the rank is free, None."""

    name: str
    shape: tuple[int | None, int | None]
    dtype: str


def add_lora_inputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """``model`` with y = xW + (xAᵀ)Bᵀ for every projection of every layer (Hu et al. 2021, scaling folded into B).

    A ``[rank, inputs]`` and B ``[outputs, rank]`` are optional inputs in the type of the activations: their default is
    zero, of rank 1, because not every provider multiplies with a rank of 0. Every pair has its own rank. ONNX Runtime
    fuses the transpositions into the products, which are faster for one token than those of the other layout. Where a
    constant bias is added to the product, the adapter is added after the bias: ONNX Runtime still fuses product and
    bias, and without an adapter every result equals the base's bit by bit. The graph is changed in place.

    AdapterError when the graph has no projection, or accepts adapters already.
    """
    graph = model.graph
    if any(projection_of_input(value.name) for value in graph.input):
        raise AdapterError("the graph accepts adapters already")
    weights = {tensor.name: tensor for tensor in graph.initializer}
    biases = _bias_additions(graph)
    nodes, following, count = list[Any](), dict[str, list[Any]](), 0
    for node in list(graph.node):
        named = projection_of_node(node.name) if node.op_type in ("MatMul", "MatMulNBits") else None
        if named is not None:
            last = biases.get(node.output[0], node)
            added = _lora(graph, last, node.input[0], named[0], *_sizes(node, weights))
            following[last.output[0]] = added  # the output has its new name by now
            count += 1
        nodes.append(node)
        nodes += following.pop(node.output[0], ())
    if not count:
        raise AdapterError("the graph has no projection named as ModelBuilder names them")
    del graph.node[:]
    graph.node.extend(nodes)
    return model


def _bias_additions(graph: Any) -> dict[str, Any]:
    """Output of a node → the Add of a constant that is its only reader."""
    readers: dict[str, list[Any]] = {}
    for node in graph.node:
        for name in node.input:
            readers.setdefault(name, []).append(node)
    constants, outputs = _constants(graph), {value.name for value in graph.output}
    additions = {}
    for name, reading in readers.items():
        if len(reading) == 1 and reading[0].op_type == "Add" and name not in outputs:
            others = [other for other in reading[0].input if other != name]
            if len(others) == 1 and others[0] in constants:
                additions[name] = reading[0]
    return additions


def _constants(graph: Any) -> set[str]:
    """Names of values that do not depend on the graph's inputs: initializers, their casts and dequantizations."""
    known = {tensor.name for tensor in graph.initializer} - {value.name for value in graph.input}
    for node in graph.node:
        if node.op_type == "Constant" or (
            node.op_type in ("Cast", "DequantizeLinear", "Identity")
            and all(name in known for name in node.input if name)
        ):
            known.update(node.output)
    return known


def _sizes(node: Any, weights: Mapping[str, Any]) -> tuple[int, int, int]:
    """(inputs, outputs, element type of the activations) of a projection's node."""
    if node.op_type == "MatMulNBits":
        numbers = {attribute.name: attribute.i for attribute in node.attribute}
        return numbers["K"], numbers["N"], weights[node.input[2]].data_type  # the scales have the activations' type
    weight = weights.get(node.input[1])
    if weight is None or len(weight.dims) != 2:
        raise AdapterError(
            f"{node.name}: its weight is not a matrix in the graph", next_step="a target that keeps MatMul"
        )
    return weight.dims[0], weight.dims[1], weight.data_type


def _lora(graph: Any, node: Any, hidden: str, path: str, inputs: int, outputs: int, data_type: int) -> list[Any]:
    """The nodes that add the adapter of ``hidden`` to the result of ``node``; also adds LoRA inputs to ``graph``."""
    import numpy as np
    from onnx import helper, numpy_helper

    if data_type not in DTYPES:
        raise AdapterError(f"{node.name}: activations of element type {data_type}, adapters are float32 or float16")
    stem, dtype = path.replace("/", "."), DTYPES[data_type]
    rank = f"{stem}.lora_r"
    names = {letter: f"{stem}.lora_{letter}.weight" for letter in "AB"}
    for letter, shape, free in (("A", (1, inputs), [rank, inputs]), ("B", (outputs, 1), [outputs, rank])):
        graph.input.append(helper.make_tensor_value_info(names[letter], data_type, free))
        graph.initializer.append(numpy_helper.from_array(np.zeros(shape, dtype), names[letter]))
    result, base = node.output[0], f"/{path}/base/output_0"
    node.output[0] = base
    nodes, value = [], hidden
    for letter, name in names.items():
        turned, product = (f"/{path}/lora_{letter}/{kind}" for kind in ("Transpose", "MatMul"))
        nodes.append(helper.make_node("Transpose", [name], [f"{turned}/output_0"], name=turned, perm=[1, 0]))
        nodes.append(helper.make_node("MatMul", [value, f"{turned}/output_0"], [f"{product}/output_0"], name=product))
        value = f"{product}/output_0"
    return [*nodes, helper.make_node("Add", [base, value], [result], name=f"/{path}/lora/Add")]


def read_lora_inputs(model_dir: Path) -> dict[str, LoraInput]:
    """The LoRA inputs of a model folder's graph by name. AdapterError when the graph cannot be read or has none."""
    try:
        graph = load_decoder(model_dir)
    except GraphError as error:
        raise AdapterError(f"{model_dir}: {error.message}", next_step="export the package again") from error
    inputs = dict(_inputs(graph))
    if not inputs:
        raise AdapterError(
            f"{model_dir}: its graph has no LoRA inputs",
            next_step=f"adapter_mode: multi in the recipe, then {next_command('run')}",
        )
    return inputs


def _inputs(graph: Graph) -> Iterator[tuple[str, LoraInput]]:
    for name, data_type in graph.inputs.items():
        named, default = projection_of_input(name), graph.initializers.get(name)
        if named is None or default is None or len(default.dims) != 2 or data_type not in DTYPES:
            continue
        shape = (None, default.dims[1]) if named[1] == "A" else (default.dims[0], None)
        yield name, LoraInput(name=name, shape=shape, dtype=DTYPES[data_type])
