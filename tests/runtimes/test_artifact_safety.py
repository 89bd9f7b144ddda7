"""What of a folder is refused before any runtime opens it, and that what olivepress makes is not."""

from __future__ import annotations

import inspect
import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from olivepress.catalog import targets
from olivepress.catalog.provider import PROVIDERS
from olivepress.catalog.session_axes import Hardware, Options
from olivepress.cli.chat import Chat
from olivepress.core.errors import JobError, ReportError
from olivepress.measure.worker.host import run_child
from olivepress.measure.worker.tasks import TASKS
from olivepress.runtimes import genai_model
from olivepress.runtimes.artifact_safety import check_artifact, check_before_opening
from olivepress.runtimes.config_rules import device_problems, genai_problems, is_inside
from olivepress.runtimes.genai_model import GenaiModel
from olivepress.runtimes.native_code import code_in
from olivepress.runtimes.openvino_model import NPU_ON_CPU, device_text, read_device

CPU, QNN, CUDA = "CPUExecutionProvider", "QNNExecutionProvider", "CUDAExecutionProvider"
GRAPH = b"\x3a\x00"
HARDWARE = Hardware(cpus=tuple(range(8)), physical_cores=4, threads=4)


def settings(session: dict[str, Any] | None = None, **decoder: Any) -> dict[str, Any]:
    return {"model": {"decoder": {"filename": "model.onnx", "session_options": session or {}, **decoder}}}


def folder(tmp_path: Path, config: Any = None, **files: bytes) -> Path:
    text = config if isinstance(config, str) else json.dumps(config or settings())
    (tmp_path / "genai_config.json").write_text(text)
    for name, data in ({"model.onnx": GRAPH} | files).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return tmp_path


def refusal(directory: Path, **options: Any) -> str:
    with pytest.raises(ReportError) as caught:
        check_artifact(directory, **options)
    message = str(caught.value)
    assert "\n" not in message and "; next: " in message
    return message


@pytest.mark.parametrize(
    ("session", "key"),
    [
        ({"custom_ops_library": "libops.so"}, "custom_ops_library"),
        ({"enable_profiling": "x"}, "enable_profiling"),
        ({"optimized_model_filepath": "x.onnx"}, "optimized_model_filepath"),
        ({"session.optimized_model_external_initializers_file_name": "x"}, "optimized_model_external"),
        ({"session.model_external_initializers_file_folder_path": "/etc"}, "model_external_initializers"),
        ({"ep.context_enable": "1"}, "ep.context_enable"),
        ({"ep.context_file_path": "../ctx.onnx"}, "ep.context_file_path"),
        ({"session.debug_layout_transformation": "1"}, "session.debug_layout_transformation"),
        ({"intra_op_num_threads": 100_000_000}, "intra_op_num_threads"),
        ({"intra_op_num_threads": -1}, "intra_op_num_threads"),
        ({"intra_op_num_threads": 1.0e9}, "intra_op_num_threads"),
        ({"inter_op_num_threads": True}, "inter_op_num_threads"),
        ({"log_id": "%n%n%n"}, "log_id"),
        ({"session.intra_op_thread_affinities": "1;" * 9000}, "affinities"),
        ({"session.dynamic_block_base": "4/../x"}, "dynamic_block_base"),
        ({"graph_optimization_level": "ORT_FASTER"}, "graph_optimization_level"),
        ({"provider_options": [{"QNN": {"backend_path": "notes"}}]}, "backend_path"),
        ({"provider_options": [{"QNN": {"backend_path": "./libQnnHtp.so"}}]}, "backend_path"),
        ({"provider_options": [{"QNN": {"op_packages": "x:/tmp/x.so:y"}}]}, "op_packages"),
        ({"provider_options": [{"QNN": {"profiling_file_path": "x.csv"}}]}, "profiling_file_path"),
        ({"provider_options": [{"QNN": {"qnn_saver_path": "libQnnSaver.so"}}]}, "qnn_saver_path"),
        ({"provider_options": [{"QNN": {"json_qnn_graph_dir": "/tmp"}}]}, "json_qnn_graph_dir"),
        ({"provider_options": [{"cuda": {"user_compute_stream": "1"}}]}, "user_compute_stream"),
        ({"provider_options": [{"cuda": {"gpu_external_alloc": "1"}}]}, "gpu_external_alloc"),
        ({"provider_options": [{"WebGPU": {"dawnProcTable": "4096"}}]}, "dawnProcTable"),
        ({"provider_options": [{"OpenVINO": {"load_config": "x.json"}}]}, "load_config"),
        ({"provider_options": [{"OpenVINO": {"cache_dir": "x"}}]}, "cache_dir"),
        ({"provider_options": [{"VitisAI": {"config_file": "x"}}]}, "config_file"),
        ({"provider_options": [{"NvTensorRtRtx": {"nv_runtime_cache_path": "x"}}]}, "nv_runtime_cache_path"),
        ({"provider_options": [{"MIGraphX": {"migraphx_load_model_path": "x"}}]}, "not an execution provider"),
        ({"provider_options": [{"cuda": {}, "QNN": {}}]}, "provider_options[0]"),
        ({"provider_options": {"QNN": {}}}, "provider_options"),
    ],
)
def test_session_options_are_allow_listed(tmp_path: Path, session: dict[str, Any], key: str) -> None:
    assert key in refusal(folder(tmp_path, settings(session)))


@pytest.mark.parametrize(
    ("config", "key"),
    [
        (settings(filename="../model.onnx"), "filename"),
        (settings(filename="/model.onnx"), "filename"),
        (settings(filename="C:model.onnx"), "filename"),
        (settings(filename="a\\model.onnx"), "filename"),
        (settings(filename="model.onnx\0.txt"), "filename"),
        (settings(filename="notes"), "filename"),
        (settings(inputs={"past_key_names": "%s%n"}), "past_key_names"),
        (settings(inputs={"past_key_names": "%d.%d"}), "past_key_names"),
        (settings(run_options={"x": "y"}), "run_options"),
        (settings(pipeline=[{"a": {"filename": "../a.onnx"}}]), "pipeline[0].a.filename"),
        (settings(pipeline=[{"a": {"session_options": {"enable_profiling": "x"}}}]), "enable_profiling"),
        (settings(num_hidden_layers=10**9), "num_hidden_layers"),
        ({"model": {"vision": {"filename": "v.onnx"}}}, "model.vision"),
        ({"model": {"context_length": 10**12}}, "context_length"),
        ({"search": {"max_length": 10**12}}, "max_length"),
        ({"search": {"num_beams": 10**6}}, "num_beams"),
        ({"engine": {}}, "engine"),
        ([], "an object"),
        ('{"model": {}, "model": {}}', "occurs twice"),
        ('{"search": {"temperature": NaN}}', "not a number"),
        ("[" * 100_000, "genai_config.json"),
        ("{", "genai_config.json"),
    ],
)
def test_the_rest_of_the_settings_is_allow_listed(tmp_path: Path, config: Any, key: str) -> None:
    assert key in refusal(folder(tmp_path, config if config != [] else "[]"))


def test_the_settings_may_ask_for_the_manifests_provider_only(tmp_path: Path) -> None:
    qnn = folder(tmp_path, settings({"provider_options": [{"QNN": {"backend_type": "htp"}}]}))
    (tmp_path / "manifest.json").write_text(json.dumps({"execution_provider": CPU}))
    assert "the manifest names CPUExecutionProvider, the settings ask for QNNExecutionProvider" in refusal(qnn)
    check_artifact(qnn, provider=QNN)
    (tmp_path / "manifest.json").write_text(json.dumps({"execution_provider": QNN}))
    check_artifact(qnn)


def test_no_plugin_is_loaded_for_settings_that_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registered: list[str] = []
    monkeypatch.setattr(genai_model, "register", lambda runtime, name: registered.append(name))
    qnn = folder(tmp_path, settings({"provider_options": [{"QNN": {}}]}))
    (tmp_path / "manifest.json").write_text(json.dumps({"execution_provider": CPU}))
    with pytest.raises(ReportError, match="the manifest names CPU"):
        GenaiModel(qnn)
    assert registered == []


# What a task needs beside a model to open; every other field is the same or has a default.
SPECS: dict[str, dict[str, Any]] = {
    "latency": {"workload": {"prompt_tokens": 8, "generated_tokens": 4}},
    "placement": {"execution_provider": CPU},
    "answers": {"dataset_dir": "data", "split": "test"},
    "named_answers": {"dataset_dir": "data", "split": "test", "ids": [], "max_new_tokens": 4, "partial": "answers"},
    "labels": {"dataset_dir": "data", "split": "test", "labels": ["a"]},
    "likelihoods": {"dataset_dir": "data", "split": "test", "answers": [["a"]]},
    "text": {"text": "text.txt"},
    "lm_eval": {"dataset_dir": "data", "split": "test", "tasks": ["x"], "execution_provider": CPU},
    "fidelity": {"reference_dir": "reference"},
    "trial": {"execution_provider": CPU, "workload": {"prompt_tokens": 8, "generated_tokens": 4}},
    "profile": {"execution_provider": CPU, "workload": {"prompt_tokens": 8, "generated_tokens": 4}},
    "proof": {"execution_provider": CPU, "reference_dir": "reference", "texts": [], "token_ids": []},
    "package_proof": {"base_dir": "base", "execution_provider": CPU, "adapters": []},
    "tokenizer": {"texts": [], "token_ids": [], "conversations": []},
}


@pytest.mark.parametrize("task", SPECS)
def test_every_child_that_opens_a_model_looks_first(tmp_path: Path, task: str) -> None:
    bad = folder(tmp_path, settings({"custom_ops_library": "x.so"}))
    with pytest.raises(ReportError, match="custom_ops_library"):
        run_child(task, {"model_dir": str(bad), "runtime": "onnxruntime-genai", **SPECS[task]})


def test_no_task_that_opens_a_model_is_forgotten() -> None:
    opens = {name for name, task in TASKS.items() if "model_dir" in signature_of(task)}
    assert opens == {*SPECS, "lm_eval_known"}  # which only looks tasks up


def signature_of(task: Any) -> set[str]:
    return set(inspect.signature(task, eval_str=True).parameters["spec"].annotation.model_fields)


def test_chat_looks_first(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="custom_ops_library"):
        Chat(folder(tmp_path, settings({"custom_ops_library": "x.so"})), adapter=None, max_tokens=1)
    (tmp_path / "genai_config.json").write_text(json.dumps(settings()))
    (tmp_path / "notes").write_bytes(b"\x7fELF" + bytes(60))
    with pytest.raises(ReportError, match="notes is code"):
        Chat(tmp_path, adapter=None, max_tokens=1)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no named pipes in folders")
@pytest.mark.parametrize("name", ["genai_config.json", "manifest.json"])
def test_a_pipe_is_not_waited_for_in_the_process_that_opens_the_folder(tmp_path: Path, name: str) -> None:
    directory = folder(tmp_path)
    (directory / name).unlink(missing_ok=True)
    os.mkfifo(directory / name)
    if name == "manifest.json":
        check_before_opening(directory)
    else:
        with pytest.raises(ReportError, match=r"genai_config\.json: .*named pipe"):
            check_before_opening(directory)


def test_the_profiler_writes_to_its_own_place_only(tmp_path: Path) -> None:
    profiled = folder(tmp_path, settings({"enable_profiling": "/tmp/scratch/kernels"}))
    check_before_opening(profiled, profile="/tmp/scratch/kernels")
    with pytest.raises(ReportError, match="enable_profiling"):
        check_before_opening(profiled, profile="/tmp/elsewhere/kernels")


class _Evil:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("true",)


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return buffer.getvalue()


def saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


CODE = {
    "ELF": b"\x7fELF" + bytes(60),
    "PE": b"MZ\x90\0" + bytes(60),
    "Mach-O": b"\xcf\xfa\xed\xfe" + bytes(60),
    "Mach-O, big-endian": b"\xfe\xed\xfa\xce" + bytes(60),
    "fat Mach-O": b"\xca\xfe\xba\xbe" + bytes(60),
    "ar": b"!<arch>\n" + bytes(60),
    "WebAssembly": b"\0asm\1\0\0\0",
    "script": b"#!/bin/sh\ntrue\n",
    "compiled Python": (3495).to_bytes(2, "little") + b"\r\n" + bytes(12),
    **{f"pickle {protocol}": pickle.dumps(_Evil(), protocol) for protocol in range(6)},
    "pickled data": pickle.dumps({"a": [1, 2]}, 4),
    "torch's zip": zipped(**{"archive/data.pkl": pickle.dumps({}), "archive/version": b"3\n"}),
    "wheel": zipped(**{"x/__init__.py": b""}),
    "pickle 0 by INST": b"(S'true'\nios\nsystem\n.",
    "pickle 0 in a list": b"(lp0\n(S'true'\nios\nsystem\na.",
    "array of objects": saved(np.array([{}], dtype=object)),
    "7z": b"7z\xbc\xaf\x27\x1c" + bytes(60),
    "xz": b"\xfd7zXZ\0" + bytes(60),
    "RAR": b"Rar!\x1a\x07\0" + bytes(60),
    "tar": bytes(257) + b"ustar\x0000" + bytes(300),
}


@pytest.mark.parametrize("kind", CODE)
@pytest.mark.parametrize("name", ["notes", "model.onnx.data", "sub/vocab.json"])
def test_code_is_told_by_how_it_begins(tmp_path: Path, kind: str, name: str) -> None:
    assert f"{name} is code: " in refusal(folder(tmp_path, **{name: CODE[kind]}))


def test_arrays_are_no_code_but_pickled_objects_are(tmp_path: Path) -> None:
    good = zipped(**{"a.npy": saved(np.arange(3)), "b.npy": saved(np.array(["x"]))})
    text = b"(lines\nci\nsome text that is no pickle)\n"  # an opcode first, and what looks like an import
    check_artifact(folder(tmp_path, **{"reference/reference.npz": good, "c.npy": saved(np.ones(2)), "README": text}))
    bad = zipped(**{"a.npy": saved(np.array([{}], dtype=object))})
    assert "pickled objects" in refusal(folder(tmp_path, **{"reference/reference.npz": bad}))
    hidden = zipped(**{"a.npy": saved(np.arange(3)), "data.pkl": b""})
    assert "data.pkl" in refusal(folder(tmp_path, **{"reference/reference.npz": hidden}))


def test_weights_are_no_code_whatever_they_begin_with(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for number, start in enumerate((b"\x80\x04", b"\x80\x02", b"PK\0\0", b"c", b"MZ", b"#!", b"\xca\xfe\0\0")):
        path = tmp_path / f"{number}.data"
        path.write_bytes(start + rng.bytes(2_000_000))
        assert code_in(path) is None, start


def test_links_that_lead_out_and_files_that_are_none(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("key")
    inside = tmp_path / "artifact"
    inside.mkdir()
    folder(inside)
    (inside / "same.json").symlink_to("genai_config.json")
    check_artifact(inside)
    (inside / "vocab.json").symlink_to(secret)
    assert "vocab.json is a link that leads out" in refusal(inside)
    (inside / "vocab.json").unlink()
    (inside / "sub").symlink_to(tmp_path)
    assert "sub is a link that leads out" in refusal(inside)
    (inside / "sub").unlink()
    os.mkfifo(inside / "pipe")
    assert "a pipe, a device or a socket" in refusal(inside)


def test_a_snapshot_of_the_hubs_cache_is_links_and_may_be(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
    blobs.mkdir()
    snapshot.mkdir(parents=True)
    folder(snapshot)
    (snapshot / "model.onnx").rename(blobs / "1234")
    (snapshot / "model.onnx").symlink_to(blobs / "1234")
    check_artifact(snapshot)


def proto(number: int, body: bytes | int) -> bytes:
    """One field of protobuf's wire format."""
    if isinstance(body, int):
        return bytes([number << 3, body])
    length = len(body)
    tag = (number << 3) | 2
    head = bytes([tag]) if tag < 128 else bytes([tag & 0x7F | 0x80, tag >> 7])
    return head + (bytes([length]) if length < 128 else bytes([length & 0x7F | 0x80, length >> 7])) + body


def tensor(location: str) -> bytes:
    entry = proto(1, b"location") + proto(2, location.encode())
    return proto(8, b"w") + proto(13, entry) + proto(14, 1)


def node(op_type: str, *attributes: bytes, domain: str = "") -> bytes:
    return proto(4, op_type.encode()) + proto(7, domain.encode()) + b"".join(proto(5, each) for each in attributes)


def model(*parts: bytes) -> bytes:
    return proto(7, b"".join(parts))


OUTSIDE = ["../secret", "/etc/passwd", "C:/x", "a\\b", "*/_ORT_MEM_ADDR_/*", "missing.data", "."]


@pytest.mark.parametrize("location", OUTSIDE)
def test_external_data_stays_in_the_folder(tmp_path: Path, location: str) -> None:
    assert "names a file that is not part of the artifact" in refusal(
        folder(tmp_path, **{"model.onnx": model(proto(5, tensor(location)))})
    )


def test_external_data_is_looked_for_everywhere(tmp_path: Path) -> None:
    bad = tensor("../secret")
    branch = proto(1, b"then") + proto(6, proto(5, bad))
    places = {
        "attribute": model(proto(1, node("Constant", proto(1, b"value") + proto(5, bad)))),
        "subgraph": model(proto(1, node("If", branch))),
        "sparse": model(proto(15, proto(1, bad))),
        "function": proto(25, proto(7, node("Constant", proto(5, bad)))) + GRAPH,
        "first of two graphs": model(proto(5, bad)) + GRAPH,
    }
    for place, data in places.items():
        assert "../secret" in refusal(folder(tmp_path, **{"model.onnx": data})), place
    assert "sub/other.ONNX" in refusal(folder(tmp_path, **{"model.onnx": GRAPH, "sub/other.ONNX": places["subgraph"]}))
    (tmp_path / "sub" / "other.ONNX").unlink()
    fine = model(proto(5, tensor("model.onnx.data")))
    check_artifact(folder(tmp_path, **{"model.onnx": fine, "model.onnx.data": b"\0\0\0\0"}))


def test_compiled_contexts_stay_in_the_folder(tmp_path: Path) -> None:
    def context(name: bytes, embedded: int) -> bytes:
        attributes = (proto(1, b"embed_mode") + proto(3, embedded), proto(1, b"ep_cache_context") + proto(4, name))
        return model(proto(1, node("EPContext", *attributes, domain="com.microsoft")))

    assert "../x.bin" in refusal(folder(tmp_path, **{"model.onnx": context(b"../x.bin", 0)}))
    unset = node("EPContext", proto(1, b"embed_mode"), proto(1, b"ep_cache_context") + proto(4, b"../x.bin"))
    assert "../x.bin" in refusal(folder(tmp_path, **{"model.onnx": model(proto(1, unset))}))
    check_artifact(folder(tmp_path, **{"model.onnx": context(b"x_qnn.bin", 0), "x_qnn.bin": b"context"}))
    check_artifact(folder(tmp_path, **{"model.onnx": context(b"../bytes of a context", 1)}))


def test_operators_that_run_code(tmp_path: Path) -> None:
    python = model(proto(1, node("PyOp", domain="ai.onnx.contrib")))
    assert "ai.onnx.contrib::PyOp" in refusal(folder(tmp_path, **{"model.onnx": python}))


def test_a_model_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    broken = folder(tmp_path, **{"model.onnx": b"no model"})
    assert "model.onnx cannot be read" in refusal(broken)
    with pytest.raises(JobError, match=r"model\.onnx cannot be read"):
        check_before_opening(broken)


@pytest.mark.parametrize(
    ("name", "inside"),
    [
        ("model.onnx", True), ("model/model_ctx.onnx", True), ("a-b_c.1+2", True), ("", False), (".", False),
        ("..", False), ("a/../b", False), ("/a", False), ("a//b", False), ("a\\b", False), ("c:a", False),
        ("a\0", False), ("a.", False), (".hidden", False), ("a\n", False), ("é", False),
    ],
)  # fmt: skip
def test_names_that_stay_inside(name: str, inside: bool) -> None:
    assert is_inside(name) is inside


def test_what_tuning_writes_is_allowed() -> None:
    seen = 0
    for provider in PROVIDERS.values():
        for axis in provider.axes.values():
            for options in axis(Options(session={"intra_op_num_threads": 4}), HARDWARE):
                entry = [] if provider == PROVIDERS[CPU] else [{provider.genai_name: dict(options.provider)}]
                found = genai_problems(settings({**options.session, "provider_options": entry}), provider=provider.name)
                assert found == [], options.text
                seen += 1
    assert seen > 20


def test_what_targets_and_the_builder_write_is_allowed() -> None:
    cuda = {"enable_cuda_graph": "0", "enable_skip_layer_norm_strict_mode": "1"}
    web = {"enableGraphCapture": "0", "validationMode": "basic"}
    for name, options, provider in (("cuda", cuda, CUDA), ("webgpu", web, "WebGpuExecutionProvider")):
        session = {"log_id": "onnxruntime-genai", "provider_options": [{name: options}]}
        assert genai_problems(settings(session), provider=provider) == []
    seen = 0
    for target in targets().values():
        if target.runtime == "openvino":
            device = target.device.upper()
            for more in ({}, NPU_ON_CPU if device == "NPU" else {}):
                text = device_text(device, target.provider_options.get(device, {}) | more)
                assert device_problems(json.loads(text)) == []
                seen += 1
        else:
            entries = [dict([entry]) for entry in target.provider_options.items()]
            assert genai_problems(settings({"provider_options": entries}), provider=target.execution_provider) == []
            seen += 1
    assert seen > 10


@pytest.mark.parametrize(
    "config",
    [
        {"device": "CPU", "properties": {"CACHE_DIR": "x"}},
        {"device": "CPU", "properties": {"NPUW_DEVICES": "CPU; rm"}},
        {"device": "CPU", "properties": {"NPUW_LLM_MAX_PROMPT_LEN": 10**12}},
        {"device": "TEMPLATE", "properties": {}},
        {"device": "CPU", "properties": {}, "extension": "x.so"},
    ],
)
def test_openvinos_device_file_is_allow_listed(tmp_path: Path, config: dict[str, Any]) -> None:
    (tmp_path / "openvino_device.json").write_text(json.dumps(config))
    assert "openvino_device.json" in refusal(tmp_path)
    with pytest.raises(JobError, match="names no device"):
        read_device(tmp_path)


def test_what_the_builder_made_passes(fp32_model: Path, int4_model: Path, tmp_path: Path) -> None:
    for directory in (fp32_model, int4_model):
        check_artifact(directory, provider=CPU)
        check_before_opening(directory)
    copy = shutil.copytree(fp32_model, tmp_path / "copy")
    (copy / "model.onnx.data").rename(tmp_path / "elsewhere.data")
    (copy / "model.onnx.data").symlink_to(tmp_path / "elsewhere.data")
    assert "model.onnx.data is a link that leads out" in refusal(copy)
