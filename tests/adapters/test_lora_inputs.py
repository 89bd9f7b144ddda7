"""The surgery: what the graph computes with and without an adapter, for whole and quantized weights."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from olivepress.adapters.lora_inputs import add_lora_inputs
from olivepress.adapters.projections import (
    Projection,
    has_inputs,
    projection_of_input,
    projection_of_module,
    projection_of_node,
)
from olivepress.core.errors import AdapterError

INPUTS, OUTPUTS = 32, 16
A, B = (f"model.layers.0.attn.q_proj.lora_{letter}.weight" for letter in "AB")


def graph(kind: str, dtype: type = np.float32) -> onnx.ModelProto:
    """One projection x → y, and a MatMul that is none."""
    rng = np.random.default_rng(0)
    element = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    if kind == "MatMul":
        weights = [numpy_helper.from_array(rng.standard_normal((INPUTS, OUTPUTS)).astype(dtype), "w")]
        node = helper.make_node("MatMul", ["x", "w"], ["q"], name="/model/layers.0/attn/q_proj/MatMul")
    else:
        weights = [
            numpy_helper.from_array(rng.integers(0, 256, (OUTPUTS, 1, 16), dtype=np.uint8), "w"),
            numpy_helper.from_array(rng.standard_normal((OUTPUTS, 1)).astype(dtype), "s"),
        ]
        node = helper.make_node(
            "MatMulNBits", ["x", "w", "s"], ["q"], name="/model/layers.0/attn/q_proj/MatMulNBits",
            domain="com.microsoft", K=INPUTS, N=OUTPUTS, bits=4, block_size=32,
        )  # fmt: skip
    weights.append(numpy_helper.from_array(rng.standard_normal((OUTPUTS, 8)).astype(dtype), "head"))
    last = helper.make_node("MatMul", ["q", "head"], ["y"], name="/lm_head/MatMul")
    x = helper.make_tensor_value_info("x", element, ["batch", "sequence", INPUTS])
    y = helper.make_tensor_value_info("y", element, ["batch", "sequence", 8])
    made = helper.make_graph([node, last], "base", [x], [y], weights)
    opsets = [helper.make_opsetid("", 21), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10)


def run(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> np.ndarray:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["y"], feeds)[0])


@pytest.mark.parametrize("kind", ["MatMul", "MatMulNBits"])
@pytest.mark.parametrize("rank", [1, 4, 32])
def test_any_rank_is_added_and_none_is_the_base(kind: str, rank: int) -> None:
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, 3, INPUTS)).astype(np.float32)
    base, package = graph(kind), add_lora_inputs(graph(kind))
    onnx.checker.check_model(package)
    alone = run(base, {"x": x})
    assert np.array_equal(run(package, {"x": x}), alone)
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((rank, INPUTS), (OUTPUTS, rank)))
    head = numpy_helper.to_array(next(t for t in base.graph.initializer if t.name == "head"))
    expected = alone + (x @ a.T @ b.T) @ head
    assert np.allclose(run(package, {"x": x, A: a, B: b}), expected, atol=1e-3)


def with_bias(model: onnx.ModelProto, kind: str) -> onnx.ModelProto:
    """The projection's product with something added to it, before the head reads it."""
    nodes, weights = list(model.graph.node), model.graph.initializer
    bias = np.random.default_rng(3).standard_normal(OUTPUTS).astype(np.float32)
    made = []
    if kind == "cast":
        weights.append(numpy_helper.from_array(bias.astype(np.float16), "narrow"))
        made.append(helper.make_node("Cast", ["narrow"], ["bias"], to=TensorProto.FLOAT))
    elif kind == "quantized":
        weights.append(numpy_helper.from_array((bias * 40).astype(np.int8), "codes"))
        weights.append(numpy_helper.from_array(np.float32(0.025), "step"))
        made.append(helper.make_node("DequantizeLinear", ["codes", "step"], ["bias"]))
    elif kind == "constant node":
        made.append(helper.make_node("Constant", [], ["bias"], value=numpy_helper.from_array(bias)))
    elif kind == "computed":
        weights.append(numpy_helper.from_array(np.ones((INPUTS, OUTPUTS), np.float32), "ones"))
        made.append(helper.make_node("MatMul", ["x", "ones"], ["bias"], name="/other/MatMul"))
    else:
        weights.append(numpy_helper.from_array(bias, "bias"))
    order = ["bias", "product"] if kind == "swapped" else ["product", "bias"]
    nodes[0].output[0] = "product"
    made.append(helper.make_node("Add", order, ["q"], name="/model/layers.0/attn/q_proj/Add"))
    if kind == "read twice":
        made[-1].output[0] = "sum"
        made.append(helper.make_node("Add", ["sum", "product"], ["q"], name="/other/Add"))
    del model.graph.node[:]
    model.graph.node.extend([nodes[0], *made, nodes[1]])
    return model


@pytest.mark.parametrize("product", ["MatMul", "MatMulNBits"])
@pytest.mark.parametrize(
    "bias", ["initializer", "swapped", "cast", "quantized", "constant node", "computed", "read twice"]
)
def test_the_adapter_stands_behind_a_constant_bias(product: str, bias: str) -> None:
    """So that ONNX Runtime fuses product and bias as in the base alone; what is no constant is added behind it."""
    rng = np.random.default_rng(1)
    x = rng.standard_normal((1, 5, INPUTS)).astype(np.float32)
    base, package = with_bias(graph(product), bias), add_lora_inputs(with_bias(graph(product), bias))
    onnx.checker.check_model(package)
    alone = run(base, {"x": x})
    assert np.array_equal(run(package, {"x": x}), alone)
    addition = next(node for node in package.graph.node if node.name == "/model/layers.0/attn/q_proj/Add")
    behind = bias not in ("computed", "read twice")
    maker = next(
        node.op_type for node in package.graph.node if node.output[0] in addition.input and "bias" not in node.output
    )
    assert maker == (product if behind else "Add")
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((4, INPUTS), (OUTPUTS, 4)))
    head = numpy_helper.to_array(next(t for t in base.graph.initializer if t.name == "head"))
    times = 2 if bias == "read twice" else 1
    expected = alone + times * (x @ a.T @ b.T) @ head
    assert np.allclose(run(package, {"x": x, A: a, B: b}), expected, atol=1e-3)


def test_a_weight_that_is_computed_is_refused() -> None:
    model = graph("MatMul")
    model.graph.node[0].input[1] = "computed"
    with pytest.raises(AdapterError, match="q_proj/MatMul: its weight is not a matrix in the graph"):
        add_lora_inputs(model)


def test_only_projections_of_layers_get_inputs() -> None:
    package = add_lora_inputs(graph("MatMul"))
    assert [value.name for value in package.graph.input] == ["x", A, B]
    shapes = {
        value.name: [d.dim_value or d.dim_param for d in value.type.tensor_type.shape.dim]
        for value in package.graph.input[1:]
    }
    rank = "model.layers.0.attn.q_proj.lora_r"
    assert shapes == {A: [rank, INPUTS], B: [OUTPUTS, rank]}


def test_the_inputs_have_the_type_of_the_activations() -> None:
    package = add_lora_inputs(graph("MatMulNBits", np.float16))
    assert {value.type.tensor_type.elem_type for value in package.graph.input[1:]} == {TensorProto.FLOAT16}


def test_a_graph_that_takes_adapters_or_has_no_projection_is_refused() -> None:
    package = add_lora_inputs(graph("MatMul"))
    with pytest.raises(AdapterError, match="accepts adapters already"):
        add_lora_inputs(package)
    other = graph("MatMul")
    other.graph.node[0].name = "/encoder/MatMul"
    with pytest.raises(AdapterError, match="no projection"):
        add_lora_inputs(other)


def test_names() -> None:
    q = Projection(3, "q_proj")
    assert projection_of_module("model.layers.3.self_attn.q_proj") == q
    assert projection_of_module("language_model.model.layers.3.self_attn.q_proj") == q
    # vLLM's issues 34186 and 48019: adapters of a whole model of images, or of its text part, changed nothing silently.
    assert projection_of_module("model.language_model.layers.3.self_attn.q_proj") == q
    assert projection_of_module("model.vision_tower.encoder.layers.3.self_attn.q_proj") is None
    assert projection_of_module("lm_head") is None
    assert has_inputs("model.layers.3.mlp.gate_up_proj") and not has_inputs("lm_head")
    for other in ("linear_attn.in_proj_qkv", "conv.in_proj", "self_attn.out_proj", "feed_forward.w1"):
        assert not has_inputs(f"model.layers.3.{other}"), other
    assert projection_of_node("/model/layers.3/attn/q_proj/MatMulNBits") == ("model/layers.3/attn/q_proj", q)
    assert projection_of_node("/model/layers.3/attn/q_proj/Add") is None
    assert projection_of_input("model.layers.3.attn.q_proj.lora_B.weight") == (q, "B")
    assert projection_of_input("past_key_values.3.key") is None
