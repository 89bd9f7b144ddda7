"""Targets for real: built by Olive, opened where they can be opened here, held to their parent."""

from __future__ import annotations

import json
import platform
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from olivepress.artifact import read_manifest
from olivepress.measure import read_report
from tests.end_to_end.families import make_small_model, write_recipe

Cli = Callable[..., subprocess.CompletedProcess[str]]
LINUX_X86 = platform.system() == "Linux" and platform.machine() == "x86_64"


def checks_of(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in manifest["checks"]}


@pytest.mark.skipif(not LINUX_X86, reason="the emulator of the NPU is in the Linux x86-64 wheel only")
def test_an_npu_and_gpus_that_are_not_here(project: Path, olivepress: Cli) -> None:
    make_small_model("llama3-scaled-tied", project / "models" / "small")
    targets = ["qnn-npu-w8a16", "cuda-bf16", "directml-fp16", "vitisai-npu-int4"]
    write_recipe(project / "recipes" / "small.yaml", "models/small", targets=targets)
    done = olivepress("run", "small", "--json")
    assert done.returncode == 0, done.stderr
    found = {entry["job"].removeprefix("export-"): entry for entry in json.loads(done.stdout)}
    assert found["vitisai-npu-int4"]["state"] == "left out" and "AMD" in found["vitisai-npu-int4"]["error"]

    npu = checks_of(found["qnn-npu-w8a16"])
    assert found["qnn-npu-w8a16"]["verified"] == "emulated"
    assert (
        "2 of 7 nodes on QNNExecutionProvider" in npu["placed"]["detail"]
    )  # two graphs of one node each; 5 on the CPU
    assert npu["kl_divergence"]["value"] < 1e-3 and npu["tokenizer"]["passed"]
    folder = project / "runs" / "small" / "export-qnn-npu-w8a16"
    config = json.loads((folder / "genai_config.json").read_text())
    # The cache of fixed length is the context; no path of this machine, no file name of one system.
    assert config["model"]["context_length"] == config["search"]["max_length"] == 512
    assert str(project) not in (folder / "genai_config.json").read_text()
    assert "libQnnHtp" not in (folder / "genai_config.json").read_text()
    read_manifest(folder, verify=True)

    for target in ("cuda-bf16", "directml-fp16"):
        assert found[target]["verified"] == "cpu-copy" and "placed" not in checks_of(found[target])
        assert checks_of(found[target])["kl_divergence"]["value"] < 1e-4
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
