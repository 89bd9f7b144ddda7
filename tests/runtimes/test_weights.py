"""Bytes that a decode step reads: held against the onnx package on real exports, and against hostile files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from olivepress.runtimes import onnx_graph
from olivepress.runtimes.onnx_graph import ELEMENT_BITS, Graph, GraphError, load_graph, parse_graph
from olivepress.runtimes.weights import decode_read_bytes, kv_bytes_per_token, load_decoder, read_bytes


def onnx_package() -> Any:
    return pytest.importorskip("onnx", reason="the build extra is not installed")


@pytest.fixture(params=["fp32_model", "int4_model"])
def exported(request: pytest.FixtureRequest) -> Path:
    model: Path = request.getfixturevalue(request.param)
    return model


def length(tensor: Any) -> int:
    outside = {entry.key: entry.value for entry in tensor.external_data}
    return int(outside["length"]) if outside else len(tensor.raw_data)


def test_the_graph_is_the_one_that_onnx_reads(exported: Path) -> None:
    model = onnx_package().load(str(exported / "model.onnx"), load_external_data=False)
    found = load_decoder(exported)
    assert [(n.name, n.op_type, list(n.inputs), list(n.outputs)) for n in found.nodes] == [
        (n.name, n.op_type, list(n.input), list(n.output)) for n in model.graph.node
    ]
    assert {name: (t.dims, t.data_type) for name, t in found.initializers.items()} == {
        t.name: (tuple(t.dims), t.data_type) for t in model.graph.initializer
    }
    assert found.inputs == {i.name: i.type.tensor_type.elem_type for i in model.graph.input}
    held = {t.name: length(t) for t in model.graph.initializer if length(t)}
    assert held and all(found.initializers[name].bits == 8 * size for name, size in held.items())


def test_a_step_reads_all_weights_but_one_row_of_each_table(exported: Path) -> None:
    model = onnx_package().load(str(exported / "model.onnx"), load_external_data=False)
    tables = {"model.embed_tokens.weight", "model.embed_tokens.qweight", "model.embed_tokens.scales"}
    tables |= {"cos_cache", "sin_cache"}
    sizes = {t.name: (length(t), t.dims[0] if t.name in tables else 1) for t in model.graph.initializer if length(t)}
    assert any(name in tables for name in sizes)
    small = sum(size // rows for size, rows in sizes.values())
    found = decode_read_bytes(exported)
    assert small <= found <= small + 256  # the numbers that the builder keeps inside the graph
    assert found < (exported / "model.onnx.data").stat().st_size


def test_kv_bytes_of_a_position(exported: Path) -> None:
    assert kv_bytes_per_token(exported) == 2 * 2 * 2 * 16 * 4  # keys and values, layers, heads, head size, float32


def model_bytes(nodes: list[Any], initializers: list[Any], inputs: list[Any] | None = None) -> bytes:
    helper = onnx_package().helper
    graph = helper.make_graph(nodes, "g", inputs or [], [], initializers)
    serialized: bytes = helper.make_model(graph).SerializeToString()
    return serialized


def parsed(data: bytes) -> Graph:
    return parse_graph(memoryview(data))


def weight(name: str, *dims: int, kind: int = 1) -> Any:
    """A tensor with a shape and its bytes elsewhere."""
    tensor = onnx_package().TensorProto(name=name, data_type=kind, dims=dims)
    tensor.data_location = onnx_package().TensorProto.EXTERNAL
    return tensor


@pytest.mark.parametrize("tied", [False, True])
def test_a_table_that_is_also_the_head_counts_once_in_full(tied: bool) -> None:
    node = onnx_package().helper.make_node
    head = "embed" if tied else "head"
    nodes = [
        node("Gather", ["embed", "ids"], ["x"]),
        node("Transpose", [head], ["h"]),
        node("MatMul", ["x", "h"], ["logits"]),
    ]
    tensors = [weight("embed", 100, 8)] + ([] if tied else [weight("head", 100, 8)])
    assert read_bytes(parsed(model_bytes(nodes, tensors))) == 100 * 8 * 4 + (0 if tied else 8 * 4)


def test_what_no_node_uses_is_not_read() -> None:
    node = onnx_package().helper.make_node
    graph = parsed(model_bytes([node("MatMul", ["x", "w"], ["y"])], [weight("w", 8, 8), weight("unused", 99, 99)]))
    assert read_bytes(graph) == 256


def test_two_elements_in_a_byte_and_a_row_of_an_odd_table() -> None:
    node = onnx_package().helper.make_node
    nodes = [node("DequantizeLinear", ["w", "s"], ["y"]), node("GatherBlockQuantized", ["t", "ids", "s2"], ["z"])]
    tensors = [weight("w", 8, 8, kind=22), weight("s", 8), weight("t", 10, 3, kind=21), weight("s2", 10, 1, kind=10)]
    assert read_bytes(parsed(model_bytes(nodes, tensors))) == 32 + 32 + math.ceil(1.5) + 2


@pytest.mark.parametrize(
    ("op_type", "tensor", "reason"),
    [
        ("QMoE", (4, 4), "mixture of experts"),
        ("MatMul", None, "contains no weights"),
        ("MatMul", (2**40, 2**40), "cannot be true"),
    ],
)
def test_what_is_not_known_has_a_reason(op_type: str, tensor: tuple[int, ...] | None, reason: str) -> None:
    nodes = [onnx_package().helper.make_node(op_type, ["x", "w"], ["y"])]
    graph = parsed(model_bytes(nodes, [weight("w", *tensor)] if tensor else []))
    with pytest.raises(GraphError, match=reason):
        read_bytes(graph)


def test_strings_and_types_from_the_future_have_a_reason() -> None:
    nodes = [onnx_package().helper.make_node("MatMul", ["x", "w"], ["y"])]
    for kind in (0, 8, 99):
        graph = parsed(model_bytes(nodes, [weight("w", 2, kind=kind)]))
        with pytest.raises(GraphError, match="unknown type"):
            read_bytes(graph)


def test_element_sizes_are_those_of_onnx() -> None:
    onnx = onnx_package()
    names = dict(onnx.TensorProto.DataType.items())
    for name, kind in names.items():
        if kind in ELEMENT_BITS and ELEMENT_BITS[kind] >= 8:
            assert onnx.helper.tensor_dtype_to_np_dtype(kind).itemsize * 8 == ELEMENT_BITS[kind], name
        elif kind in ELEMENT_BITS:  # numpy has none under a byte; the name tells
            assert name.removeprefix("U").startswith((f"INT{ELEMENT_BITS[kind]}", f"FLOAT{ELEMENT_BITS[kind]}E"))
    assert {"UNDEFINED", "STRING"} == {name for name, kind in names.items() if kind not in ELEMENT_BITS and kind < 23}


def test_dims_may_be_packed() -> None:
    tensor = bytes([0x0A, 3, 4, 0x80 | 1, 2, 0x10, 1, 0x42, 1]) + b"w"  # dims [4, 257], float, "w"
    graph = bytes([0x2A, len(tensor)]) + tensor
    found = parsed(bytes([0x3A, len(graph)]) + graph).initializers["w"]
    assert (found.dims, found.data_type) == ((4, 257), 1)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x3a", "ends inside a number"),
        (b"\x3a\x05\x00", "beyond the end"),
        (b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", "beyond the end"),
        (b"\xff" * 64, "more than ten bytes"),
        (b"\x3b\x00", "wire type 3"),
        (b"\x08\x01", "contains no graph"),
        (b"\x3a\x08\x2a\x06\x0a\x04\xff\xff\xff\xff", "ends inside a number"),
        (b"\x3a\x0d\x2a\x0b\x08" + b"\xff" * 9 + b"\x01", "impossible dimension"),
        (b"\x3a\x26\x2a\x24" + b"\x08\x02" * 18, "too many dimensions"),
    ],
)
def test_a_hostile_file_has_a_reason(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    with pytest.raises(GraphError, match=reason):
        load_graph(path)


def test_a_file_of_nothing_but_fields_ends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_graph, "MAX_FIELDS", 1000)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08\x01" * 5000)
    with pytest.raises(GraphError, match="more fields"):
        load_graph(path)


def test_a_file_of_three_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate(3 * 2**30)  # sparse: it takes no disk
    with pytest.raises(GraphError, match="protobuf ends"):
        load_graph(path)


def test_a_model_cut_anywhere_is_read_or_refused(exported: Path) -> None:
    data = (exported / "model.onnx").read_bytes()
    for end in range(0, len(data), 97):
        with pytest.raises(ValueError):
            parsed(data[:end])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for text in (data, b"\x3a" + bytes([min(len(data), 127)]) + data[:127]):
        try:
            read_bytes(parsed(text))
        except (ValueError, GraphError):
            continue


@pytest.mark.parametrize("config", ["", "[]", "{", '{"model": {}}', '{"model": {"decoder": 3}}', "[" * 100_000])
def test_a_damaged_config_has_a_reason(tmp_path: Path, config: str) -> None:
    (tmp_path / "genai_config.json").write_text(config)
    for read in (decode_read_bytes, kv_bytes_per_token):
        with pytest.raises(GraphError, match=r"genai_config\.json"):
            read(tmp_path)


@pytest.mark.parametrize("name", ["../model.onnx", "/model.onnx", "..", "", "a\\b"])
def test_a_model_outside_its_folder_is_not_opened(tmp_path: Path, name: str) -> None:
    (tmp_path / "genai_config.json").write_text(json.dumps({"model": {"decoder": {"filename": name}}}))
    with pytest.raises(GraphError, match="outside its folder"):
        decode_read_bytes(tmp_path)


def test_a_config_without_sizes_and_a_graph_without_a_cache(tmp_path: Path) -> None:
    config = {"num_hidden_layers": 2, "num_key_value_heads": None, "head_size": 16}
    path = tmp_path / "genai_config.json"
    path.write_text(json.dumps({"model": {"decoder": config}}))
    with pytest.raises(GraphError, match="does not state"):
        kv_bytes_per_token(tmp_path)
    path.write_text(json.dumps({"model": {"decoder": config | {"num_key_value_heads": 2}}}))
    with pytest.raises(GraphError, match=r"model\.onnx cannot be read"):
        kv_bytes_per_token(tmp_path)
    (tmp_path / "model.onnx").write_bytes(model_bytes([], []))
    with pytest.raises(GraphError, match=r"no input past_key_values\.0\.key"):
        kv_bytes_per_token(tmp_path)


def test_layers_of_linear_attention_have_no_cache_that_grows(tmp_path: Path) -> None:
    """Qwen 3.5: of four layers only the last one has keys and values."""
    config = {"num_hidden_layers": 4, "num_key_value_heads": 2, "head_size": 16}
    (tmp_path / "genai_config.json").write_text(json.dumps({"model": {"decoder": config}}))
    value = onnx_package().helper.make_tensor_value_info
    inputs = [
        value("past.0.conv", 1, [1, 64, 3]),
        value("past_key_values.3.key", 1, [1, 2, "n", 16]),
        value("past_key_values.3.value", 1, [1, 2, "n", 16]),
    ]
    (tmp_path / "model.onnx").write_bytes(model_bytes([], [], inputs))
    assert kv_bytes_per_token(tmp_path) == 2 * 1 * 2 * 16 * 4
