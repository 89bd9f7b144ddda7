"""Equal weights are stored once, and the graph computes what it computed before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper, numpy_helper

from olivepress.run import shared_weights
from olivepress.run.shared_weights import share_weights
from olivepress.run.verify.structure import structure
from olivepress.runtimes.weights import EVERY_POSITION

ROWS, WIDTH = 600, 500  # float32: 1.2 MB


def tensors(*, tied: bool) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    table = rng.standard_normal((ROWS, WIDTH)).astype(np.float32)
    head = table.reshape(ROWS * 5, WIDTH // 5) if tied else table.reshape(ROWS * 5, WIDTH // 5) + 1
    small = rng.standard_normal(5000).astype(np.float32)  # 20 kB: external, but not worth a look
    return {"first": small, "table": table, "head": head, "again": small}


def write_model(folder: Path, values: dict[str, np.ndarray]) -> None:
    """logits = table[input_ids] @ reshape(head)ᵀ + the first of the small ones."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["embedded"]),
        helper.make_node("Reshape", ["head", "shape"], ["reshaped"]),
        helper.make_node("Transpose", ["reshaped"], ["weights"], perm=[1, 0]),
        helper.make_node("MatMul", ["embedded", "weights"], ["product"]),
        helper.make_node("ReduceMax", ["first"], ["largest"], keepdims=0),
        helper.make_node("ReduceMax", ["again"], ["last"], keepdims=0),
        helper.make_node("Sub", ["largest", "last"], ["nothing"]),
        helper.make_node("Add", ["product", "nothing"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("input_ids", onnx.TensorProto.INT64, [None])],
        [helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, [None, ROWS])],
        [*(numpy_helper.from_array(value, name) for name, value in values.items()),
         numpy_helper.from_array(np.array([ROWS, WIDTH], dtype=np.int64), "shape")],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, str(folder / EVERY_POSITION), save_as_external_data=True, location="model.onnx.data",
              size_threshold=1024)  # fmt: skip


def logits(folder: Path) -> np.ndarray:
    session = onnxruntime.InferenceSession(str(folder / EVERY_POSITION), providers=["CPUExecutionProvider"])
    (result,) = session.run(None, {"input_ids": np.array([3, 599, 0])})
    return result


def test_a_tied_head_shares_the_bytes_of_the_embedding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_weights, "CHUNK_BYTES", 100_003)  # copied in several parts
    values = tensors(tied=True)
    write_model(tmp_path, values)
    before, size = logits(tmp_path), (tmp_path / "model.onnx.data").stat().st_size
    saved = share_weights(tmp_path)
    after = (tmp_path / "model.onnx.data").stat().st_size
    assert saved == size - after >= ROWS * WIDTH * 4 - shared_weights.ALIGNMENT * 4
    np.testing.assert_array_equal(logits(tmp_path), before)
    model = onnx.load(str(tmp_path / EVERY_POSITION))  # an independent reading of every tensor
    stored = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    for name, value in values.items():
        np.testing.assert_array_equal(stored[name], value)
    (tmp_path / "genai_config.json").write_text("{}")
    assert all(check.passed for check in structure(tmp_path))
    assert share_weights(tmp_path) == 0 and (tmp_path / "model.onnx.data").stat().st_size == after
    assert sorted(path.name for path in tmp_path.iterdir()) == ["genai_config.json", "model.onnx", "model.onnx.data"]


def test_weights_that_differ_stay_as_they_are(tmp_path: Path) -> None:
    write_model(tmp_path, tensors(tied=False))
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert share_weights(tmp_path) == 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


def test_a_folder_without_such_a_graph_is_left_alone(tmp_path: Path) -> None:
    assert share_weights(tmp_path) == 0
    onnx.save(helper.make_model(helper.make_graph([], "g", [], [])), str(tmp_path / EVERY_POSITION))
    assert share_weights(tmp_path) == 0
