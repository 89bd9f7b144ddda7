"""Targets for real: built by Olive, opened where they can be opened here, held to their parent."""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from olivepress.catalog import targets
from olivepress.core.artifact import hash_file, read_manifest
from olivepress.environments.lookup import interpreter
from olivepress.report.device_report import read_report
from tests.end_to_end.families import make_small_model, write_recipe
from tests.end_to_end.test_bundle import typed

Cli = Callable[..., subprocess.CompletedProcess[str]]
LINUX_X86 = platform.system() == "Linux" and platform.machine() == "x86_64"


def checks_of(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in manifest["checks"]}


@pytest.mark.slow
@pytest.mark.skipif(not LINUX_X86, reason="the emulator of the NPU is in the Linux x86-64 wheel only")
def test_an_npu_and_gpus_that_are_not_here(project: Path, olivepress: Cli) -> None:
    make_small_model("llama3-scaled-tied", project / "models" / "small")
    wanted = ["qnn-npu-w8a16", "cuda-bf16", "directml-fp16", "vitisai-npu-int4"]
    write_recipe(project / "recipes" / "small.yaml", "models/small", targets=wanted)
    done = olivepress("run", "small", "--json")
    assert done.returncode == 0, done.stderr
    found = {entry["job"].removeprefix("export-"): entry for entry in json.loads(done.stdout)["jobs"]}
    assert found["vitisai-npu-int4"]["state"] == "left out" and "AMD" in found["vitisai-npu-int4"]["error"]

    npu = checks_of(found["qnn-npu-w8a16"])
    assert found["qnn-npu-w8a16"]["verified"] == "emulated"
    assert (
        "2 of 7 nodes on QNNExecutionProvider" in npu["placed"]["detail"]
    )  # two graphs of one node each; 5 on the CPU
    assert npu["kl_answer"]["value"] < 1e-3 and npu["tokenizer"]["passed"]
    folder = project / "runs" / "small" / "export-qnn-npu-w8a16"
    config = json.loads((folder / "genai_config.json").read_text())
    # The cache of fixed length is the context; no path of this machine, no file name of one system.
    assert config["model"]["context_length"] == config["search"]["max_length"] == 512
    assert str(project) not in (folder / "genai_config.json").read_text()
    assert "libQnnHtp" not in (folder / "genai_config.json").read_text()
    read_manifest(folder, verify=True)

    for target in ("cuda-bf16", "directml-fp16"):
        assert found[target]["verified"] == "cpu-copy" and "placed" not in checks_of(found[target])
        assert checks_of(found[target])["kl_answer"]["value"] < 1e-4
    assert checks_of(found["directml-fp16"])["dml_operators"]["passed"]

    _measured_without_times(project, olivepress)


def _measured_without_times(project: Path, olivepress: Cli) -> None:
    """The emulator's numbers are evidence, its times are not."""
    done = olivepress("bench", "small", "--job", "export-qnn-npu-w8a16", "--limit", "2", "--json")
    assert done.returncode == 0, done.stderr
    (path,) = json.loads(done.stdout)
    report = read_report(project / path)
    assert report.metrics["kl_top256"].value is not None and report.metrics["exact_match"].n == 2
    decode = report.metrics["decode_tps"]
    assert decode.value is None and "emulated" in str(decode.reason)
    assert report.placement is not None and report.placement.placed == (2, 7)


# How far each target is verified on a plain Linux x86-64 box with the environment openvino-build.
VERIFIED = {
    "cpu": "native", "cuda": "cpu-copy", "directml": "cpu-copy", "openvino-cpu": "native", "openvino-gpu": "cpu-copy",
    "openvino-npu": "emulated", "qnn-gpu": "structure", "qnn-npu": "emulated", "trt-rtx": "cpu-copy",
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not LINUX_X86, reason="what is verified how is that of Linux x86-64")
def test_every_target(project: Path, tmp_path: Path, olivepress: Cli) -> None:
    made = olivepress("env", "create", "openvino-build", "--quiet")
    assert made.returncode == 0, made.stderr
    done = olivepress("matrix", "tiny-llama", "--json")
    assert done.returncode == 0, done.stderr
    rows = {row["target"]: row for row in json.loads(done.stdout)["rows"]}
    assert set(rows) == set(targets())
    assert [name for name, row in rows.items() if not row["built"]] == ["vitisai-npu-int4"]
    for name, row in rows.items():
        if row["built"] and targets()[name].file != "webgpu":  # software Vulkan may be there or not
            assert row["verified"] == VERIFIED[targets()[name].file], name
        assert not row["built"] or row["verified"] == "structure" or row["kl_divergence"] < 0.01, name
    assert rows["qnn-npu-w4a16"]["placed"].startswith("2 of 7 nodes on QNNExecutionProvider")
    assert rows["openvino-cpu-int4-ep"]["placed"].startswith("29 of 31 nodes on OpenVINOExecutionProvider")

    # Qualcomm's compiler does not write the same bytes twice; the graphs around its binaries are the same.
    graphs = ("embeddings.onnx", "context_ctx.onnx", "iterator_ctx.onnx", "lm_head.onnx")
    _plain_olive_makes_the_same(project, "qnn-npu-w8a16", graphs)
    _plain_olive_makes_the_same(project, "openvino-cpu-int4", ("openvino_model.bin",))

    artifact = "runs/tiny-llama-matrix/export-openvino-cpu-int4"
    packed = olivepress("bundle", artifact, "--json")
    assert packed.returncode == 0, packed.stderr
    (device := tmp_path / "device").mkdir()
    bundle = Path(shutil.copy(project / json.loads(packed.stdout)[0]["path"], device))
    report, carried_back, packages = typed(bundle)
    assert "openvino-genai" in packages and not {"torch", "transformers", "olive-ai", "optimum-intel"} & packages
    assert report.runtime == "openvino" and report.metrics["decode_tps"].value and report.metrics["exact_match"].n
    taken = olivepress("import", str(carried_back))
    assert taken.returncode == 0, taken.stderr


def _plain_olive_makes_the_same(project: Path, target: str, names: tuple[str, ...]) -> None:
    """The line in the workflow's header, typed as it stands there."""
    job = project / "runs" / "tiny-llama-matrix" / f"export-{target}"
    ours = {name: hash_file(job / name).sha256 for name in names}
    job.rename(kept := project / f"ours-{target}")
    text = (project / "olive_configs" / "tiny-llama-matrix" / f"export-{target}.yaml").read_text()
    (line,) = re.findall(r"Run from the project root: olive (.*)", text)
    environment = {**os.environ, "OLIVE_DISABLE_TELEMETRY": "1", "CI": "1"}
    command = [str(interpreter(targets()[target].build_environment)), "-m", "olive", *line.split()]
    subprocess.run(command, env=environment, check=True, capture_output=True, timeout=600)
    found = {name: hash_file(next(job.rglob(name))).sha256 for name in names}
    shutil.rmtree(job)
    kept.rename(job)
    assert found == ours
