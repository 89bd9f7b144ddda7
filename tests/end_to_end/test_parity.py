"""The real chain, from fine-tune to ONNX, on a small random model of each family: fp32 ONNX is held to PyTorch."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.core.artifact import read_manifest
from tests.end_to_end.families import CASES, make_small_model, write_recipe

Cli = Callable[..., subprocess.CompletedProcess[str]]


def test_fp32_onnx_of_a_small_project_is_the_parent(small: Path) -> None:
    _is_the_parent(small, "small", "qwen2-tied")


@pytest.mark.slow  # each a whole chain through real Olive
@pytest.mark.parametrize("case", CASES)
def test_fp32_onnx_is_the_parent(case: str, project: Path, olivepress: Cli) -> None:
    make_small_model(case, project / "models" / case)
    write_recipe(project / "recipes" / f"{case}.yaml", f"models/{case}")
    done = olivepress("run", case, "--json")
    assert done.returncode == 0, done.stderr
    manifests = {manifest["job"]: manifest for manifest in json.loads(done.stdout)["jobs"]}
    assert list(manifests) == ["finetune", "merge", "export-cpu-fp32"]
    assert all(manifest["random_weights"] for manifest in manifests.values())
    _is_the_parent(project, case, case)


def _is_the_parent(project: Path, recipe: str, case: str) -> None:
    """The fp32 export of a finished run, compared with PyTorch by its own checks, beyond the original context too."""
    runs = project / "runs" / recipe
    _no_path_of_this_machine(runs, str(project))
    export = read_manifest(runs / "export-cpu-fp32", verify=True)
    checks = {check.name: check for check in export.checks}
    difference = checks["max_abs_logit_diff"].value
    assert difference is not None and difference < 1e-3
    assert {"answers_by_default", "long_prompt", "long_answer", "long_logit_diff"} <= set(checks)
    # The long text leaves the original context, or the window, where the case means to.
    tokens = _long_row_tokens(runs / "merge" / "reference" / "long_row.npz")
    assert tokens >= 512
    for word, limit in (("longrope", "original_max_position_embeddings"), ("window", "sliding_window")):
        if word in case:
            config = json.loads((project / "models" / case / "config.json").read_text())
            assert tokens > config[limit] and str(config[limit]) in checks["long_prompt"].detail


@pytest.mark.slow
def test_groups_of_weights_that_fit_an_odd_width(project: Path, olivepress: Cli) -> None:
    make_small_model("smollm2-tied", project / "models" / "odd")
    targets = ["cpu-int8", "cpu-int4-rtn", "cpu-int4", "cpu-int4-compact", "cuda-int4"]
    write_recipe(project / "recipes" / "odd.yaml", "models/odd", targets=targets)
    done = olivepress("run", "odd", "--json")
    assert done.returncode == 0, done.stderr
    assert [one["job"] for one in json.loads(done.stdout)["jobs"][2:]] == [f"export-{target}" for target in targets]


def _no_path_of_this_machine(runs: Path, project: str) -> None:
    texts = [path for path in runs.rglob("*.json*") if "logs" not in path.parts]
    assert len(texts) > 5
    assert not [path for path in texts if project in path.read_text(encoding="utf-8")]


def _long_row_tokens(path: Path) -> int:
    import numpy as np

    with np.load(path) as data:
        return len(data["ids"])
