"""How far an export is verified, and what each check refuses: on graphs and records made by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from olivepress.catalog import targets
from olivepress.core.artifact import PlacedNodes
from olivepress.core.errors import JobError, SetupError
from olivepress.core.privacy import child_environment
from olivepress.pipeline.matrix import HEAD, MatrixRow, matrix_recipe, table
from olivepress.report.device_report import Placement
from olivepress.run import interpreters as where
from olivepress.run.interpreters import place_of
from olivepress.run.verify.directml import dml_operators
from olivepress.run.verify.export import WITHOUT_TORCH
from olivepress.run.verify.float32_copy import wide_copy
from olivepress.run.verify.structure import structure
from olivepress.runtimes.probe import ProviderProbe
from olivepress.synthetic.embedded import TINY_PHI
from olivepress.workflow.find_recipe import find_recipe

QNN = "QNNExecutionProvider"

_TOKENIZED = """
import json, sys
from pathlib import Path
from olivepress.run.verify.export import _token_ids
print(json.dumps([_token_ids(Path(sys.argv[1]), ["turn on the lamp", "naïve 7"]), "torch" in sys.modules]))
"""


def test_an_export_is_verified_without_importing_torch() -> None:
    """Its parent was computed with the merge; the parent's tokenizer says the same ids without torch."""
    found = []
    for more in ({}, WITHOUT_TORCH):
        command = [sys.executable, "-c", _TOKENIZED, str(TINY_PHI)]
        done = subprocess.run(
            command, env={**os.environ, **more}, capture_output=True, text=True, timeout=300, check=True
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
    (ids, torch), (same, none) = found
    assert ids == same and all(ids) and torch and not none


def test_a_process_without_torch_can_ask_the_parent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in WITHOUT_TORCH.items():
        monkeypatch.setenv(name, value)
    assert "USE_TORCH" not in child_environment(offline=True)


@pytest.mark.parametrize(
    ("nodes", "arithmetic", "min_placed", "max_cpu_nodes", "holds"),
    [
        ({QNN: 10}, 0, 1.0, None, True),
        ({QNN: 10, "CPUExecutionProvider": 6}, 6, 1.0, None, True),  # arithmetic on shapes is no fallback
        ({QNN: 10, "CPUExecutionProvider": 7}, 6, 1.0, None, False),
        ({QNN: 9, "CPUExecutionProvider": 1}, 0, 0.9, None, True),
        ({QNN: 2, "CPUExecutionProvider": 5}, 0, 0.0, 8, True),
        ({QNN: 2, "CPUExecutionProvider": 9}, 0, 0.0, 8, False),
        ({"CPUExecutionProvider": 5}, 0, 0.0, 8, False),  # a chip that is not this one: nothing is placed
        ({}, 0, 0.0, 8, False),
    ],
)
def test_placement_holds_what_the_target_promises(
    nodes: dict[str, int], arithmetic: int, min_placed: float, max_cpu_nodes: int | None, holds: bool
) -> None:
    placement = Placement(asked=QNN, nodes=nodes, fallback=False, arithmetic=arithmetic)
    assert placement.holds(min_placed, max_cpu_nodes) is holds


def probed(state: str) -> Any:
    return lambda interpreter, provider: ProviderProbe(provider=provider, state=state, detail="why")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("target", "state", "how"),
    [
        ("webgpu-int4", "runs", "native"),
        ("webgpu-int4", "emulated", "emulated"),
        ("webgpu-int4", "fell back", "cpu-copy"),
        ("webgpu-int4", "no device", "cpu-copy"),
        ("qnn-npu-w4a16", "crashed", "structure"),  # a copy on the CPU would prove nothing of the NPU
        ("qnn-gpu-int4", "emulated", "structure"),
    ],
)
def test_no_more_is_claimed_than_the_machine_can_do(
    target: str, state: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, "interpreter", lambda name: Path("python"))
    monkeypatch.setattr(where, "is_emulated", lambda provider: True)
    monkeypatch.setattr(where, "try_provider", probed(state))
    place = place_of(targets()[target])
    assert place.how == how and (place.reason != "") == (how not in ("native", "emulated"))


def test_without_its_environment_a_copy_or_the_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Path:
        raise SetupError(f"environment {name} has not been created", next_step=f"olivepress env create {name}")

    monkeypatch.setattr(where, "interpreter", absent)
    cuda, intel = place_of(targets()["cuda-int4"]), place_of(targets()["openvino-npu-int4"])
    assert (cuda.how, cuda.next_step) == ("cpu-copy", "olivepress env create cuda") and intel.how == "structure"


@pytest.mark.parametrize(
    ("devices", "target", "how"),
    [
        (("CPU",), "openvino-cpu-int4", "native"),
        (("CPU",), "openvino-gpu-int4", "cpu-copy"),
        (("CPU",), "openvino-npu-int4", "emulated"),
        (("CPU", "GPU", "NPU"), "openvino-npu-int4", "native"),
    ],
)
def test_openvino_by_its_devices(
    devices: tuple[str, ...], target: str, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(where, "interpreter", lambda name: Path("python"))
    monkeypatch.setattr(where, "openvino_devices_of", lambda python: devices)
    assert place_of(targets()[target]).how == how


def save(nodes: list[Any], path: Path, *, bfloat: bool = False) -> None:
    import onnx
    from onnx import TensorProto, helper

    kind = TensorProto.BFLOAT16 if bfloat else TensorProto.FLOAT
    values = [helper.make_tensor_value_info(name, kind, [2]) for name in ("x", "y")]
    weight = helper.make_tensor("w", kind, [2], [1.5, -2.0])
    graph = helper.make_graph(nodes, "g", values[:1], values[1:], initializer=[weight])
    onnx.save(helper.make_model(graph, ir_version=10, opset_imports=[helper.make_opsetid("", 21)]), str(path))


def test_directml_lacks_an_operator_or_a_form_of_attention(tmp_path: Path) -> None:
    from onnx import helper

    fine = helper.make_node("Add", ["x", "w"], ["y"])
    save([fine], tmp_path / "model.onnx")
    assert dml_operators(tmp_path).passed
    looked_up = helper.make_node("GatherBlockQuantized", ["x", "w"], ["y"], domain="com.microsoft")
    save([looked_up], tmp_path / "model.onnx")
    assert "com.microsoft.GatherBlockQuantized" in dml_operators(tmp_path).detail
    packed = helper.make_node("GroupQueryAttention", ["x", "", ""], ["y"], domain="com.microsoft", do_rotary=1)
    save([packed], tmp_path / "model.onnx")
    found = dml_operators(tmp_path)
    assert not found.passed and "do_rotary" in found.detail and "packed QKV" in found.detail


def test_a_bfloat16_graph_is_copied_as_float32(tmp_path: Path) -> None:
    import numpy as np
    import onnx
    import onnxruntime
    from onnx import helper

    model = tmp_path / "model"
    model.mkdir()
    save([helper.make_node("Mul", ["x", "w"], ["y"])], model / "model.onnx", bfloat=True)
    config = {"model": {"decoder": {"session_options": {"provider_options": [{"cuda": {}}]}}}}
    (model / "genai_config.json").write_text(json.dumps(config))
    copy = wide_copy(model, tmp_path / "copy")
    (y,) = onnxruntime.InferenceSession(str(copy / "model.onnx"), providers=["CPUExecutionProvider"]).run(
        None, {"x": np.asarray([2.0, 3.0], dtype=np.float32)}
    )
    assert y.tolist() == [3.0, -6.0] and onnx.load(str(copy / "model.onnx")).graph.input[0].type.tensor_type.elem_type
    assert json.loads((copy / "genai_config.json").read_text())["model"]["decoder"]["session_options"] == {
        "provider_options": []
    }


def test_an_ir_that_is_cut_is_not_whole(tmp_path: Path) -> None:
    layer = '<layer id="1" type="Const"><data offset="8" size="8"/></layer><layer id="2" type="Result"/>'
    (tmp_path / "openvino_model.xml").write_text(f"<net><layers>{layer}</layers></net>")
    (tmp_path / "openvino_model.bin").write_bytes(bytes(16))
    (whole,) = structure(tmp_path)
    assert whole.passed and whole.value == 2
    (tmp_path / "openvino_model.bin").write_bytes(bytes(15))
    (cut,) = structure(tmp_path)
    assert not cut.passed and "openvino_model.bin is cut" in cut.detail
    (tmp_path / "openvino_model.xml").write_text("<net")
    with pytest.raises(JobError, match="cannot be parsed"):
        list(structure(tmp_path))
    with pytest.raises(JobError, match=r"neither genai_config\.json nor"):
        list(structure(tmp_path / "nothing"))


def test_the_matrix_takes_every_target_of_its_model(project: Path) -> None:
    llama, phi = (matrix_recipe(find_recipe(name)[0]) for name in ("llama", "phi"))
    assert set(llama.targets) == set(targets())
    assert set(targets()) - set(phi.targets) == {"cuda-int4-graph"}  # longrope chooses its factors in an If
    built = {"built": True, "verified": "emulated", "kl_divergence": 0.01, "top1_agreement": 0.9}
    placement = PlacedNodes(execution_provider="QNNExecutionProvider", placed=2, of=7, fallback_ops=("Gather",))
    assert str(placement) == "2 of 7 nodes on QNNExecutionProvider; on the CPU: Gather"
    rows = [
        MatrixRow(target="a", precision="int4", **built, placement=placement, size_on_disk_bytes=2_000_000),
        MatrixRow(target="b", precision="int4", built=False, reason="no packages"),
    ]
    cells, notes = table(rows)
    assert [len(row) for row in cells] == [len(HEAD)] * 2
    assert cells[0] == ("a", "int4", "yes", "emulated", "2/7 [1]", "0.01", "90.0 %", "2.0 MB")
    assert cells[1][2] == "no [2]" and notes == ["on the CPU: Gather", "no packages"]
