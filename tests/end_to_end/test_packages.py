"""Packages for real: Olive makes the base, plain PEFT trains an adapter elsewhere, each is held to its merged twin."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from olivepress.core.artifact import read_manifest
from tests.end_to_end.conftest import COMMAND, built_once
from tests.end_to_end.families import make_small_model, write_recipe

Cli = Callable[..., subprocess.CompletedProcess[str]]

# case → (modules of the two adapters): fused in Phi, apart in the others, with biases in Qwen 2.5.
CASES = {
    "phi3-longrope-within-untied": (["qkv_proj", "gate_up_proj", "down_proj"], ["o_proj", "gate_up_proj"]),
    "llama3-scaled-tied": (["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj"], ["q_proj", "v_proj"]),
    "qwen2-tied": (["q_proj", "v_proj", "up_proj"], ["k_proj", "down_proj"]),
}


def packaged(project: Path, olivepress: Cli, case: str, targets: list[str]) -> dict[str, dict[str, Any]]:
    """Run a recipe of three adapters of ranks 4, 8 and 32; job → manifest of the packages and bases."""
    make_small_model(case, project / "models" / "small")
    first, second = CASES[case]
    rows = {"max_train_rows": 16, "max_test_rows": 4, "max_length": 512}
    adapters = {
        "tone": {"task": "a message → its tone", "data": {"demo": "phrase-tone", **rows}, "finetune": {"r": 4}},
        "command": {
            "data": {"demo": "device-command", **rows},
            "finetune": {"r": 8, "alpha": 4, "target_modules": first},
        },
        "answer": {"data": {"demo": "short-qa", **rows}, "finetune": {"r": 32, "target_modules": second}},
    }
    changes = {"adapter_mode": "multi", "adapters": adapters, "targets": targets, "data": None}
    write_recipe(project / "recipes" / "small.yaml", "models/small", **changes)
    done = olivepress("run", "small", "--json")
    assert done.returncode == 0, done.stderr
    found = {entry["job"]: entry for entry in json.loads(done.stdout)["jobs"] if entry["recipe"] == "small"}
    assert [entry["state"] for entry in found.values()] == ["done"] * 2 * len(targets)
    return found


def checks_of(manifest: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {check["name"]: check for check in manifest["checks"]}


def hold_to_their_twins(manifests: dict[str, dict[str, Any]], target: str) -> None:
    package = manifests[f"package-{target}"]
    checks = checks_of(package)
    assert package["kind"] == "package" and package["verified"] in ("native", "cpu-copy")
    assert checks["base: kl_to_base_alone"]["value"] < 1e-6
    same = checks["base: greedy_as_base_alone"]
    assert same["value"] == same["limit"] == 24
    for adapter in ("tone", "command", "answer"):
        of = {name.removeprefix(f"{adapter}: "): one for name, one in checks.items() if name.startswith(adapter)}
        assert of["weight_delta"]["value"] == pytest.approx(1.0, abs=1e-3)
        assert of["differs"]["value"] > 0.01  # from the base and from the other two
        divergence = of["kl_divergence" if target == "cpu-fp32" else "kl_answer"]
        assert divergence["value"] <= divergence["limit"]
        assert of["kl_to_merged"]["value"] is not None
        if target == "cpu-fp32":
            assert of["greedy_answers"]["value"] == of["greedy_as_merged"]["value"] == 8
            assert max(of["max_abs_logit_diff"]["value"], of["max_abs_logit_diff_to_merged"]["value"]) < 1e-3


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, dict[str, Any]]]:
    """A project with the package of a Phi, and the manifests of its jobs."""

    def build(project: Path) -> None:
        def olivepress(*arguments: str) -> subprocess.CompletedProcess[str]:
            return subprocess.run(
                [*COMMAND, *arguments], cwd=project, capture_output=True, text=True, check=False, timeout=1800
            )

        (project / "recipes").mkdir()
        manifests = packaged(project, olivepress, "phi3-longrope-within-untied", ["cpu-fp32", "cpu-int4"])
        (project / "manifests.json").write_text(json.dumps(manifests))

    project = built_once(tmp_path_factory, "package-project", build)
    return project, json.loads((project / "manifests.json").read_text())


@pytest.fixture
def packages(made: tuple[Path, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    project = tmp_path / "project"
    shutil.copytree(made[0], project, symlinks=True)
    monkeypatch.chdir(project)
    return project


@pytest.mark.slow
def test_each_adapter_on_the_package_is_its_merged_twin(made: tuple[Path, dict[str, dict[str, Any]]]) -> None:
    for target in ("cpu-fp32", "cpu-int4"):
        hold_to_their_twins(made[1], target)
    package = json.loads((made[0] / "runs" / "small" / "package-cpu-int4" / "package.json").read_text())
    assert {name: one["ranks"] for name, one in package["adapters"].items()} == {
        "tone": [4], "command": [8], "answer": [32]
    }  # fmt: skip
    assert package["adapters"]["tone"]["origin"]["task"] == "a message → its tone"
    assert package["adapters"]["tone"]["origin"]["dataset"] == "phrase-tone"
    read_manifest(made[0] / "runs" / "small" / "package-cpu-int4", verify=True)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("case", [case for case in CASES if not case.startswith("phi")])
def test_every_family_s_adapters_are_their_merged_twins(case: str, project: Path, olivepress: Cli) -> None:
    manifests = packaged(project, olivepress, case, ["cpu-fp32", "cpu-int4", "cuda-fp16"])
    for target in ("cpu-fp32", "cpu-int4", "cuda-fp16"):
        hold_to_their_twins(manifests, target)


def trained_elsewhere(base: Path, directory: Path, **settings: Any) -> Path:
    """An adapter that plain PEFT and a loop of our own made: three steps on random tokens, olivepress not involved."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(7)
    fields = {"r": 8, "lora_alpha": 16, "use_rslora": True, "target_modules": "all-linear", "task_type": "CAUSAL_LM"}
    model = get_peft_model(AutoModelForCausalLM.from_pretrained(base), LoraConfig(**{**fields, **settings}))
    optimizer = torch.optim.SGD((p for p in model.parameters() if p.requires_grad), lr=1.0)
    ids = torch.randint(10, 500, (4, 24))
    for _ in range(3):
        model(input_ids=ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    model.save_pretrained(str(directory))
    return directory


def logits_of_peft(base: Path, adapter: Path, ids: list[int]) -> Any:
    import torch
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), str(adapter)).eval()
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids])).logits[0].numpy()


@pytest.mark.slow
def test_an_adapter_that_plain_peft_trained(packages: Path, olivepress: Cli) -> None:
    import numpy as np

    from olivepress.runtimes.genai_model import GenaiModel

    folder, base = packages / "runs" / "small" / "package-cpu-fp32", packages / "models" / "small"
    graph = (folder / "model.onnx").read_bytes()
    adapter = trained_elsewhere(base, packages / "elsewhere")
    added = olivepress("adapters", "add", str(folder), "elsewhere", "--name", "mine", "--task", "mine alone", "--json")
    assert added.returncode == 0, added.stderr
    entry = json.loads(added.stdout)
    assert entry["ranks"] == [8] and entry["origin"] == {
        "recipe": None, "task": "mine alone", "dataset": None, "dataset_version": None
    }  # fmt: skip
    assert (folder / "model.onnx").read_bytes() == graph
    ids = list(range(20, 60))
    model = GenaiModel(folder)
    found = {}
    for name in ("mine", None, "tone", "mine"):  # switched on one opened base
        generation = model.with_adapter(folder / "adapters" / f"{name}.onnx_adapter" if name else None).generation(64)
        generation.append(ids)
        found[name] = generation.logits()
    assert np.abs(found["mine"] - logits_of_peft(base, adapter, ids)).max() < 1e-3
    tone = packages / "runs" / "small.tone" / "finetune" / "adapter"
    assert np.abs(found["tone"] - logits_of_peft(base, tone, ids)).max() < 1e-3
    assert np.abs(found["mine"] - found[None]).max() > 0.01

    again = olivepress("run", "small", "--json")  # what was added is nothing that makes the package another one
    assert {entry["state"] for entry in json.loads(again.stdout)["jobs"]} == {"kept"}
    checked = olivepress("adapters", "check", str(folder))
    assert checked.returncode == 0 and "mine: 20 tensors fit the base" in checked.stdout


@pytest.mark.slow
def test_what_somebody_added_outlives_a_package_made_anew(packages: Path, olivepress: Cli) -> None:
    folder = packages / "runs" / "small" / "package-cpu-fp32"
    trained_elsewhere(packages / "models" / "small", packages / "elsewhere")
    assert olivepress("adapters", "add", str(folder), "elsewhere", "--name", "mine").returncode == 0
    before = (folder / "adapters" / "mine.onnx_adapter").read_bytes()
    (folder / "genai_config.json").unlink()  # the base is not whole: it is made again
    done = olivepress("run", "small", "--job", "package-cpu-fp32", "--json")
    assert done.returncode == 0, done.stderr
    assert (folder / "adapters" / "mine.onnx_adapter").read_bytes() == before
    held = json.loads(olivepress("adapters", "list", str(folder), "--json").stdout)
    assert list(held["adapters"]) == ["answer", "command", "mine", "tone"]
    assert not (packages / "runs" / "small" / ".kept" / "package-cpu-fp32").exists()


@pytest.mark.slow
def test_what_does_not_fit_is_refused_and_nothing_is_written(packages: Path, olivepress: Cli) -> None:
    folder, base = packages / "runs" / "small" / "package-cpu-int4", packages / "models" / "small"
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    def refused(directory: Path, says: str, *options: str) -> None:
        done = olivepress("adapters", "add", str(folder), str(directory), "--name", "mine", *options)
        assert done.returncode == 9 and says in done.stderr and done.stderr.count("\n") == 1, done.stderr

    refused(trained_elsewhere(base, packages / "dora", use_dora=True), "DoRA rescales")
    make_small_model("phi4-longrope-extended-tied", packages / "models" / "other" / "small")
    other = trained_elsewhere(packages / "models" / "other" / "small", packages / "other")
    refused(other, "lora_B.weight maps 256 to ")
    (packages / "models" / "other" / "small").rename(packages / "models" / "another")
    renamed = trained_elsewhere(packages / "models" / "another", packages / "another")
    refused(renamed, "trained on another, this package's base is small; next: --any-base")
    refused(renamed, "lora_B.weight maps 256 to ", "--any-base")
    after = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.name != ".lock"}
    assert after == {path: data for path, data in before.items() if path.name != ".lock"}


@pytest.mark.slow
def test_chat_with_an_adapter_with_another_and_without(packages: Path, olivepress: Cli) -> None:
    folder = str(packages / "runs" / "small" / "package-cpu-int4")
    asked = ["chat", folder, "--prompt", "turn on the light", "--max-tokens", "6", "--json"]
    answers = {name: json.loads(olivepress(*asked, *(["--adapter", name] if name else [])).stdout)["answer"]
               for name in ("command", "answer", "")}  # fmt: skip
    assert len(set(answers.values())) > 1
    other = [*asked[:3], "what is the time", *asked[4:]]
    assert json.loads(olivepress(*other).stdout)["answer"] != answers[""]
    script = "turn on the light\n/adapter command\nturn on the light\n/adapters\n/base\nturn on the light\n/quit\n"
    done = olivepress("chat", folder, "--max-tokens", "6", input=script)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines == [
        answers[""], "now command", answers["command"], "answer, command, tone", "now the base alone", answers[""]
    ]  # fmt: skip
    none = olivepress("chat", folder, "--adapter", "nobody")
    assert none.returncode == 9 and "has no adapter 'nobody'; it has: answer, command, tone" in none.stderr
    alone = olivepress("chat", str(packages / "runs" / "small.tone" / "export-cpu-int4"), "--adapter", "tone")
    assert alone.returncode == 9 and "not a package" in alone.stderr


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_bench_measures_the_package_beside_its_twin(packages: Path, olivepress: Cli) -> None:
    from olivepress.report.device_report import read_report

    done = olivepress("bench", "small", "--limit", "2", "--rounds", "2", "--json")
    assert done.returncode == 0, done.stderr
    paths = [Path(path) for path in json.loads(done.stdout)]
    assert {path.parent.name for path in paths} == {"small.tone", "small.command", "small.answer"}
    reports = {(path.parent.name, path.stem): read_report(path) for path in paths}
    for adapter in ("tone", "command", "answer"):
        package, twin = (reports[f"small.{adapter}", f"{kind}-cpu-fp32"] for kind in ("package", "export"))
        assert package.bench_session == twin.bench_session and package.artifact_sha256 != twin.artifact_sha256
        kl, decode = package.metrics["kl_divergence"].value, package.metrics["decode_tps"].value
        assert kl is not None and kl < 1e-9 and decode is not None and decode > 0
        size, whole = package.metrics["size_on_disk_bytes"].value, packages / "runs" / "small" / "package-cpu-fp32"
        base = sum((whole / name).stat().st_size for name in ("model.onnx", "model.onnx.data"))
        adapters = {file.stem: file.stat().st_size for file in (whole / "adapters").glob("*.onnx_adapter")}
        # The base and this adapter, not the others.
        assert size is not None and base + adapters[adapter] < size < base + sum(adapters.values())
    assert len({reports[f"small.{a}", "package-cpu-int4"].artifact_sha256 for a in ("tone", "command", "answer")}) == 3
    page = olivepress("report", "small.tone", "--json")
    assert page.returncode == 0, page.stderr


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_plain_olive_makes_the_base_of_a_package(packages: Path, olivepress: Cli) -> None:
    """The line in the workflow's header, then ``adapters add``: the same package without olivepress' runner."""
    import os
    import re
    import sys

    text = (packages / "olive_configs" / "small" / "package-cpu-int4.yaml").read_text()
    (line,) = re.findall(r"Run from the project root: olive (.*)", text)
    folder = packages / "runs" / "small" / "package-cpu-int4"
    (ours := packages / "ours").mkdir()
    shutil.move(folder, ours)
    environment = {**os.environ, "OLIVE_DISABLE_TELEMETRY": "1", "CI": "1"}
    subprocess.run([sys.executable, "-m", "olive", *line.split()], env=environment, check=True, capture_output=True)
    for name in ("model.onnx", "model.onnx.data"):
        assert (folder / name).read_bytes() == (ours / folder.name / name).read_bytes()
