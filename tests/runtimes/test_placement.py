"""Which provider got which nodes: on real exports as far as this machine goes, the rest on graphs made by hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from olivepress.core.errors import JobError
from olivepress.runtimes.onnx_graph import Graph, Node, Tensor
from olivepress.runtimes.placement import fallen_back, node_placement, position_arithmetic, provider_options

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"


def test_asked_for_the_cpu_everything_is_there_and_nothing_fell_back(fp32_model: Path) -> None:
    found = node_placement(fp32_model, CPU)
    assert found.asked == CPU and set(found.nodes) == {CPU} and found.nodes[CPU] > 10
    assert not found.fallback and found.fallback_ops == ()


def test_an_absent_provider_is_a_fallback_with_its_ops(fp32_model: Path) -> None:
    ort = pytest.importorskip("onnxruntime")
    if CUDA in ort.get_available_providers():
        pytest.skip("this machine has the provider")
    found = node_placement(fp32_model, CUDA)
    assert found.asked == CUDA and set(found.nodes) == {CPU} and found.fallback
    assert {"MatMul", "GroupQueryAttention"} <= set(found.fallback_ops) and "Shape" not in found.fallback_ops
    assert "Gather" in found.fallback_ops  # the embedding is no arithmetic on shapes


def changed(model: Path, folder: Path, options: object) -> Path:
    shutil.copytree(model, folder)
    path = folder / "genai_config.json"
    config = json.loads(path.read_text())
    config["model"]["decoder"]["session_options"] = options
    path.write_text(json.dumps(config))
    return folder


def test_session_options_of_the_artifact_are_used(fp32_model: Path, tmp_path: Path) -> None:
    options = {
        "log_id": "x",
        "intra_op_num_threads": 1,
        "enable_mem_pattern": False,
        "graph_optimization_level": "ORT_DISABLE_ALL",
        "session.disable_prepacking": "1",
        "provider_options": [],
    }
    assert node_placement(changed(fp32_model, tmp_path / "fine", options), CPU).nodes[CPU] > 10
    with pytest.raises(JobError, match="cannot be opened"):
        node_placement(changed(fp32_model, tmp_path / "odd", {"graph_optimization_level": "ORT_FASTER"}), CPU)
    assert node_placement(changed(fp32_model, tmp_path / "none", None), CPU).nodes[CPU] > 10


def test_what_cannot_be_opened_is_a_job_error(fp32_model: Path, tmp_path: Path) -> None:
    with pytest.raises(JobError, match=r"neither genai_config\.json nor"):
        node_placement(tmp_path, CPU)
    broken = tmp_path / "broken"
    shutil.copytree(fp32_model, broken)
    (broken / "model.onnx.data").write_bytes(b"")
    with pytest.raises(JobError, match="cannot be opened"):
        node_placement(broken, CPU)
    (broken / "model.onnx").write_bytes(b"no model")
    with pytest.raises(JobError, match=r"model\.onnx cannot be read"):
        node_placement(broken, CPU)


GRAPH = Graph(
    nodes=(
        Node("/shape", "Shape", ("x",), ("s",)),
        Node("/pick", "Gather", ("s", "one"), ("n",)),
        Node("/mask", "ReduceSum", ("attention_mask", "one"), ("m",)),
        Node("/length", "Cast", ("m",), ("l",)),
        Node("/scaled", "Mul", ("n", "one"), ("k",)),
        Node("/embed", "Gather", ("table", "input_ids"), ("e",)),
        Node("/gate", "Mul", ("e", "k"), ("g",)),
        Node("/attention", "GroupQueryAttention", ("g", "l", "n"), ("a",)),
        Node("", "Add", ("l", "l"), ("u",)),
    ),
    initializers={"table": Tensor("table", (9, 4), 1), "one": Tensor("one", (1,), 7)},
    inputs={"input_ids": 7, "attention_mask": 7, "x": 1},
)


def test_arithmetic_on_positions_is_told_by_data_flow() -> None:
    assert position_arithmetic(GRAPH) == {"/shape", "/pick", "/mask", "/length", "/scaled"}


@pytest.mark.parametrize(
    ("on_cpu", "expected"),
    [
        ((), ()),
        (("/shape", "/pick", "/mask", "/length", "/scaled"), ()),
        (("/shape", "/gate"), ("Mul",)),
        (("/embed",), ("Gather",)),
        (("/attention", "/gate", "/embed"), ("Gather", "GroupQueryAttention", "Mul")),
    ],
)
def test_only_what_is_more_than_that_fell_back(on_cpu: tuple[str, ...], expected: tuple[str, ...]) -> None:
    nodes = [(CPU if node.name in on_cpu else CUDA, node.name, node.op_type) for node in GRAPH.nodes]
    assert fallen_back(nodes, GRAPH) == expected


def test_a_node_the_optimizer_made_is_not_excused() -> None:
    assert fallen_back([(CPU, "fused", "FusedMatMul")], GRAPH) == ("FusedMatMul",)


@pytest.mark.parametrize(
    ("listed", "provider", "expected"),
    [
        ([{"cuda": {"enable_cuda_graph": "0"}}], CUDA, {"enable_cuda_graph": "0"}),
        ([{"OpenVINO": {"device_type": "NPU"}}], "OpenVINOExecutionProvider", {"device_type": "NPU"}),
        ([{"DML": {}}, {"cuda": {"device_id": 1}}], CUDA, {"device_id": "1"}),
        ([{"cuda": None}, "cuda"], CUDA, {}),
        ({"cuda": {}}, CUDA, {}),
        (None, CUDA, {}),
    ],
)
def test_options_of_a_provider(listed: object, provider: str, expected: dict[str, str]) -> None:
    assert provider_options({"provider_options": listed}, provider) == expected
