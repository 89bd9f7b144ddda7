"""Every method through real Olive: trained, merged, exported; and an export that lost its adapter on the way."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from olivepress.core.artifact import Check, read_manifest
from olivepress.report.device_report import read_report
from tests.end_to_end.families import make_small_model, write_recipe

Cli = Callable[..., subprocess.CompletedProcess[str]]


def checks_of(project: Path, job: str) -> dict[str, Check]:
    manifest = read_manifest(project / "runs" / "small" / job, verify=True)
    return {check.name: check for check in manifest.checks}


def made(
    project: Path, olivepress: Cli, method: str, case: str, *, target: str = "cpu-int4", **changes: object
) -> None:
    make_small_model(case, project / "models" / "small")
    changes |= {"finetune": {"method": method}, "targets": [target]}
    write_recipe(project / "recipes" / "small.yaml", "models/small", **changes)
    done = olivepress("run", "small")
    assert done.returncode == 0, done.stderr
    trained, merged = checks_of(project, "finetune"), checks_of(project, "merge")
    delta, value = merged["weight_delta"], merged["kl_to_base_with_adapter"].value
    assert delta.value == delta.limit == trained["adapter_trained"].value and (delta.value or 0) >= 8
    assert value is not None and value < 1e-8
    kept = checks_of(project, f"export-{target}")["adapter_kept"]
    assert kept.value == pytest.approx(1.0, abs=0.1) and kept.limit == 0.5, kept


# In `make test-long`: each is a whole chain through real Olive.
@pytest.mark.parametrize(
    ("method", "case"),
    [
        pytest.param("dora", "phi4-longrope-extended-tied", marks=pytest.mark.slow),
        pytest.param("loha", "llama3-scaled-tied", marks=pytest.mark.slow),
        pytest.param("lokr", "qwen2-tied", marks=pytest.mark.slow),
    ],
)
def test_a_method_keeps_its_shift_to_the_end(method: str, case: str, project: Path, olivepress: Cli) -> None:
    made(project, olivepress, method, case)
    config = json.loads((project / "runs/small/finetune/adapter/adapter_config.json").read_text())
    expected = {"dora": ("LORA", True), "loha": ("LOHA", None), "lokr": ("LOKR", None)}[method]
    assert (config["peft_type"], config.get("use_dora")) == expected
    assert ("magnitudes" in checks_of(project, "finetune")) == (method == "dora")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_qlora_says_what_merging_into_the_unquantized_base_costs(project: Path, olivepress: Cli) -> None:
    made(project, olivepress, "qlora", "llama3-scaled-tied", target="cpu-fp32")
    merged = checks_of(project, "merge")
    cost = merged["kl_to_trained"]
    assert cost.passed and cost.limit is None and (cost.value or 0) > 1e-6
    assert "trained on a base in nf4, merged into the unquantized one" in cost.detail
    done = olivepress("bench", "small", "--quiet")
    assert done.returncode == 0, done.stderr
    found = {path.stem: read_report(path) for path in project.glob("benchmarks/results/*/small/*.json")}
    assert {name: found[name].precision for name in ("base", "finetune", "merge")} == {
        "base": "fp32",
        "finetune": "nf4",
        "merge": "fp32",
    }
    assert found["export-cpu-fp32"].metrics["adapter_kept"].value == pytest.approx(1.0, abs=1e-3)
    shown = olivepress("report", "small", "--full")
    assert shown.returncode == 0, shown.stderr
    said = "trained on a base in nf4, merged into the unquantized one"
    assert said in shown.stdout and said in (project / "runs/small/report/report.html").read_text()


@pytest.mark.slow
def test_an_export_of_the_base_in_place_of_the_merge(project: Path, olivepress: Cli) -> None:
    """Everything else about it is right, and its KL is below a recipe's own limit: only its adapter is not there."""
    made(project, olivepress, "lora", "llama3-scaled-tied", limits={"rows": 40, "max_kl_divergence": 1.0})
    runs = project / "runs" / "small"
    shutil.rmtree(runs / "export-cpu-int4")
    (weights,) = (runs / "merge" / "model").glob("*.safetensors")
    (base,) = (project / "models" / "small").glob("*.safetensors")
    size = weights.stat().st_size
    shutil.copy(base, weights)
    assert abs(weights.stat().st_size - size) < 1000  # the same tensors
    manifest = json.loads((runs / "merge" / "manifest.json").read_text())
    own = {"bytes": weights.stat().st_size, "sha256": hashlib.sha256(weights.read_bytes()).hexdigest()}
    manifest["files"][f"model/{weights.name}"] |= own
    _sign(manifest, runs / "merge" / "manifest.json")
    done = olivepress("run", "small", "--job", "export-cpu-int4")
    assert done.returncode == 6, done.stdout + done.stderr
    assert "check adapter_kept failed" in done.stderr and "limit 0.5" in done.stderr, done.stderr
    assert "kl_" not in done.stderr and not (runs / "export-cpu-int4").exists()


def _sign(fields: dict[str, object], path: Path) -> None:
    """The manifest as it would be, had the merge been this from the start."""
    from olivepress.core.artifact import Manifest, artifact_hash

    manifest = Manifest.model_validate_json(json.dumps(fields))
    fields["sha256"] = artifact_hash(manifest.files)
    path.write_text(json.dumps(fields))
