"""What was built against what was asked for: read from the nodes of small graphs, of both builders' forms."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from olivepress.catalog import grid, targets
from olivepress.catalog.groups import with_group_sizes
from olivepress.run.verify.structure import as_asked
from olivepress.synthetic.embedded import random_models
from olivepress.workflow.olive_plugin.built import Asked, asked_of, asked_of_passes, differences, quantized_nodes

onnx = pytest.importorskip("onnx", reason="the build extra is not installed")
LAYER, HEAD = "/model/layers.0/mlp/up_proj/MatMulNBits", "/lm_head/MatMulNBits"
EMBEDDING = "/model/embed_tokens/GatherBlockQuantized"
PASSES: dict[str, dict[str, Any]] = {
    "quantize": {
        "type": "Rtn", "bits": 4, "group_size": 128, "sym": True, "lm_head": True, "embeds": True,
        "overrides": {"model.embed_tokens": {"bits": 8}},
    },
    "build": {
        "type": "ModelBuilder", "precision": "int4", "int4_block_size": 128, "int4_is_symmetric": True,
        "int4_accuracy_level": 4,
    },
}  # fmt: skip


def node(name: str, *, bits: int = 4, block: int = 128, symmetric: bool = True, level: int = 4) -> Any:
    inputs = ["x", f"{name}.w", f"{name}.s", *([] if symmetric else [f"{name}.z"])]
    kind = name.rsplit("/", 1)[-1]
    more = {"accuracy_level": level} if kind == "MatMulNBits" else {}
    return onnx.helper.make_node(
        kind, inputs, [f"{name}.y"], name=name, domain="com.microsoft", bits=bits, block_size=block, **more
    )


def graph_of(*nodes: Any) -> Any:
    return onnx.helper.make_graph(list(nodes), "g", [], [])


AS_ASKED = {"layer": {}, "head": {}, "embedding": {"bits": 8}}


def built(**changes: dict[str, Any]) -> Any:
    names = {"layer": LAYER, "head": HEAD, "embedding": EMBEDDING}
    return graph_of(*(node(names[part], **AS_ASKED[part] | changes.get(part, {})) for part in AS_ASKED))


def test_a_graph_as_it_was_asked_for() -> None:
    asked = asked_of_passes(PASSES)
    assert asked is not None and differences(built(), asked) == []
    assert [each.bits for each in quantized_nodes(built())] == [4, 4, 8]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"layer": {"block": 32}}, "layers: blocks of 32 were built, 128 was asked for"),
        ({"layer": {"bits": 8}}, "layers: 8 bits were built, 4 were asked for"),
        ({"layer": {"symmetric": False}}, "layers: asymmetric weights were built, symmetric were asked for"),
        ({"layer": {"level": 1}}, "accuracy level 1 was built, 4 was asked for"),
        ({"head": {"bits": 8}}, "head: 8 bits were built, 4 were asked for"),
        ({"head": {"block": 64}}, "head: blocks of 64 were built, 128 was asked for"),
        ({"embedding": {"bits": 4}}, "embedding: 4 bits were built, 8 were asked for"),
    ],
)
def test_every_difference_is_a_line(changes: dict[str, dict[str, Any]], expected: str) -> None:
    asked = asked_of_passes(PASSES)
    assert asked is not None and differences(built(**changes), asked) == [expected]


def test_what_is_missing_or_too_much() -> None:
    asked = asked_of_passes(PASSES)
    assert asked is not None
    assert differences(graph_of(node(LAYER), node(HEAD)), asked) == ["embedding: unquantized, 8 bits were asked for"]
    plain = asked_of_passes({"build": {"type": "ModelBuilder", "precision": "fp32"}})
    assert plain == Asked(layers=None, head=None, embedding=None)
    assert differences(graph_of(), plain) == []
    assert differences(graph_of(node(HEAD)), plain) == ["head: quantized to 4 bits, unquantized was asked for"]


def test_a_projection_that_was_left_out() -> None:
    name = "/model/layers.1/attn/o_proj/MatMul"
    weight = onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [2], [1.0, 2.0])
    left = onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name=name)
    graph = onnx.helper.make_graph([*built().node, left], "g", [], [], initializer=[weight])
    asked = asked_of_passes(PASSES)
    assert asked is not None and differences(graph, asked) == [f"{name} was left unquantized"]
    assert differences(graph, asked.model_copy(update={"everywhere": False})) == []
    linear = onnx.helper.make_node("MatMul", ["x", "w"], ["y"], name="/model/layers.0/linear_attn/b_proj/MatMul")
    hybrid = onnx.helper.make_graph([*built().node, linear], "g", [], [], initializer=[weight])
    assert differences(hybrid, asked) == [], "the builder has no quantized form of its gates"


def test_the_form_with_dequantize_linear() -> None:
    weight = onnx.helper.make_tensor("q", onnx.TensorProto.INT4, [4], [1, 2, 3, 4])
    name = "/model/layers.0/mlp/up_proj/DequantizeLinear"
    step = onnx.helper.make_node("DequantizeLinear", ["q", "s"], ["y"], name=name, block_size=32, axis=0)
    (found,) = quantized_nodes(onnx.helper.make_graph([step], "g", [], [], initializer=[weight]))
    assert (found.bits, found.block_size, found.symmetric, found.accuracy_level) == (4, 32, None, None)


@pytest.mark.parametrize(
    ("passes", "layers", "head", "embedding"),
    [
        # 8 bits by a part's name, and the rest by a second quantizer.
        (
            [
                {"type": "CalibratedGptq", "bits": 4, "group_size": 64, "sym": True, "eight_bits": ["mlp_outputs"]},
                {"type": "Rtn", "bits": 8, "group_size": 32, "sym": True, "lm_head": True, "embeds": True},
            ],
            ({4, 8}, 64, True),
            ({8}, 32, True),
            ({8}, 32, True),
        ),
        (
            [
                {"type": "SelectiveMixedPrecision", "bits": 4, "high_bits": 8},
                {"type": "KQuant", "bits": 4, "group_size": 32, "sym": False, "lm_head": True},
            ],
            ({4, 8}, 32, False),
            ({4, 8}, 32, False),
            None,
        ),
        # What no quantizer took the builder rounds itself.
        ([{"type": "Gptq", "bits": 4, "group_size": -1, "sym": True}], ({4}, None, True), ({4}, 16, False), None),
        ([], ({4}, 16, False), ({4}, 16, False), None),
    ],
)
def test_what_a_chain_of_passes_asks_for(passes: list[Any], layers: Any, head: Any, embedding: Any) -> None:
    build = {"type": "ModelBuilder", "precision": "int4", "int4_block_size": 16, "int4_is_symmetric": False}
    asked = asked_of_passes({str(number): each for number, each in enumerate([*passes, build])})
    assert asked is not None and asked.accuracy_level is None
    for given, expected in ((asked.layers, layers), (asked.head, head), (asked.embedding, embedding)):
        found = None if given is None else (set(given.bits), given.block_size, given.symmetric)
        assert found == expected


def test_the_builders_own_mixtures_and_defaults() -> None:
    asked = asked_of({"precision": "int4", "int4_algo_config": "k_quant_mixed"}, None)
    assert asked.layers is not None and asked.head is not None
    assert (asked.layers.bits, asked.layers.block_size, asked.layers.symmetric) == ({4, 8}, 32, False)
    assert asked.head.bits == {8} and not asked.head.symmetric and asked.everywhere
    rtn = asked_of({"precision": "int4", "int4_algo_config": "rtn_last", "int4_is_symmetric": True}, None)
    assert rtn.layers is not None and rtn.layers.symmetric  # as ONNX Runtime 1.31 and 1.32 build it
    some = asked_of({"precision": "int4", "extra_options": {"int4_nodes_to_exclude": ["a"]}}, None)
    assert not some.everywhere


def test_of_a_checkpoint_as_olive_writes_it() -> None:
    config = {
        "quant_method": "olive", "bits": 4, "group_size": 32, "symmetric": True, "lm_head": True, "embeds": False,
        "overrides": {"model.layers.0.mlp.down_proj": {"bits": 8}, "lm_head": {"bits": 8, "group_size": 16}},
    }  # fmt: skip
    asked = asked_of({"precision": "int4", "int4_block_size": 32}, config)
    assert asked.layers is not None and asked.head is not None and asked.embedding is None
    assert asked.layers.bits == {4, 8} and (asked.head.bits, asked.head.block_size) == ({8}, 16)


def test_every_target_that_modelbuilder_finishes_is_compared() -> None:
    config = random_models()["tiny-llama"].config
    known = [*targets().values(), *grid().values()]
    asked = {each.target: asked_of_passes(with_group_sizes(each.passes, config)) for each in known}
    compared = {name for name, each in asked.items() if each is not None}
    assert {"cpu-fp32", "cpu-int8", "cpu-int4", "cpu-int4-kquant", "cuda-int4"} <= compared
    others = {name for name in compared if name.startswith(("openvino", "qnn-npu", "vitisai"))}
    assert others == {"openvino-cpu-int4-ep"}, "the one of these whose graph is ModelBuilder's own"


def test_the_check_of_an_artifact(tmp_path: Path) -> None:
    assert list(as_asked(tmp_path, None)) == []
    model = onnx.helper.make_model(built(layer={"block": 32}))
    onnx.save(model, str(tmp_path / "model.onnx"))
    (check,) = as_asked(tmp_path, asked_of_passes(PASSES))
    assert (check.name, check.passed, check.value) == ("built_as_asked", False, 1.0)
    assert check.detail == "layers: blocks of 32 were built, 128 was asked for"
