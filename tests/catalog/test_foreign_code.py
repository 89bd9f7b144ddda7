"""A folder with a recipe is data: targets and workflows that would run code are refused until somebody trusts them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from olivepress.catalog import grid, targets
from olivepress.catalog.foreign_code import foreign_code, foreign_modules, without_foreign_code
from olivepress.core.errors import LintError, RecipeError
from olivepress.pipeline.lint import lint_file
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.render import write_workflows

Cli = Callable[..., subprocess.CompletedProcess[str]]
TARGET: dict[str, Any] = {
    "target": "mine", "description": "mine", "device": "cpu", "execution_provider": "CPUExecutionProvider",
    "environment": "cpu",
    "precisions": {
        "fp32": {
            "bytes_per_parameter": 4.0, "bytes_per_embedding_parameter": 4.0, "max_kl_divergence": 1.0,
            "min_top1_agreement": 0.0, "passes": {"build": {"type": "ModelBuilder", "precision": "fp32"}},
        },
    },
}  # fmt: skip
RECIPE = {
    "name": "t", "model": {"path": "embedded:tiny-phi"}, "data": {"demo": "device-command", "max_train_rows": 50},
    "finetune": {"max_steps": 2}, "targets": ["mine-fp32"],
}  # fmt: skip


def write_folder(folder: Path, build: dict[str, Any] | None = None, **changes: Any) -> Path:
    """A recipe beside a target of its own, with another build pass or other keys of the file."""
    target = json.loads(json.dumps(TARGET)) | changes
    target["precisions"]["fp32"]["passes"]["build"] |= build or {}
    (folder / "targets").mkdir(exist_ok=True)
    (folder / "targets" / "mine.yaml").write_text(yaml.safe_dump(target, sort_keys=False))
    (folder / "r.yaml").write_text(yaml.safe_dump(RECIPE))
    return folder / "r.yaml"


HOSTILE = [
    {"package_config": {"ModelBuilder": "evil_mod.EvilPass"}},
    {"package_config": {"ModelBuilder": "olive"}},
    {"package_config": {"ModelBuilder": "olive.passes.x; import evil"}},
    {"package_config": {"ModelBuilder": "olivepress_evil.Pass"}},
    {"build": {"user_script": "evil.py"}},
    {"build": {"script_dir": "."}},
    {"build": {"data_config": {"name": "x", "user_script": "evil.py"}}},
    {"build": {"deep": [{"er": {"user_script": "evil.py"}}]}},
    {"build": {"provider_options": {"backend_path": "./evil.so"}}},
    {"build": {"provider_options": {"backend_path": "notes"}}},
    {"build": {"custom_op_library": "x"}},
    {"build": {"model_script": "evil"}},
    {"build": {"extra": "/tmp/weights.pt"}},
    {"build": {"trust_remote_code": True}},
    {"build": {"extra_args": "--x; true"}},
    {"build": {"type": "evil_mod.Pass"}},
    {"provider_options": {"QNN": {"op_packages": "x:y"}}},
]


@pytest.mark.parametrize("changes", HOSTILE)
def test_targets_that_run_code_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = write_folder(tmp_path, **changes)
    with pytest.raises(RecipeError, match=r"targets/mine\.yaml: runs code of its own: .*; next: .*--trust-targets"):
        load_plan(str(recipe))
    assert load_plan(str(recipe), trust_targets=True).jobs[-1].target is not None
    assert sorted(path.name for path in tmp_path.iterdir()) == ["r.yaml", "targets"]


def test_a_plain_target_needs_no_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_plan(str(write_folder(tmp_path))).jobs[-1].id == "export-mine-fp32"


def test_what_ships_runs_no_code_of_its_own() -> None:
    shipped = [*targets().values(), *grid().values()]
    assert len(shipped) > 20
    for target in shipped:
        found = [*foreign_code(target.model_dump()), *foreign_modules(target.package_config)]
        assert found == [], target.target


@pytest.mark.parametrize("verb", [["plan"], ["prepare"], ["render"], ["run"], ["matrix"], ["bench"], ["tune"],
                                  ["bundle"], ["report"], ["search", "artifact"]])  # fmt: skip
def test_every_verb_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, olivepress: Cli, verb: list[str]) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path, **HOSTILE[0])
    (tmp_path / "evil_mod.py").write_text("open('ran', 'w').write('x')\n")
    done = olivepress(*verb, "r.yaml")
    assert done.returncode == RecipeError.exit_code and "evil_mod.EvilPass" in done.stderr, done.stderr
    assert not (tmp_path / "ran").exists()


def test_what_is_trusted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, olivepress: Cli) -> None:
    monkeypatch.chdir(tmp_path)
    write_folder(tmp_path, **HOSTILE[0])
    done = olivepress("plan", "r.yaml", "--trust-targets")
    assert done.returncode == 0
    assert "target mine-fp32 runs code of its own" in done.stderr and "evil_mod.EvilPass" in done.stderr


WORKFLOW: dict[str, Any] = {
    "input_model": {"type": "HfModel", "model_path": "x/y", "task": "text-generation"},
    "systems": {
        "here": {
            "type": "LocalSystem",
            "accelerators": [{"device": "cpu", "execution_providers": ["CPUExecutionProvider"]}],
        }
    },
    "passes": {"build": {"type": "ModelBuilder", "precision": "int4"}},
    "output_dir": "out",
    "host": "here",
    "target": "here",
}
DATA: dict[str, Any] = {
    "name": "d", "type": "DataContainer", "user_script": "evil.py",
    "load_dataset_config": {"type": "dummy_dataset", "directory": "d", "split": "train"},
    "pre_process_data_config": {"type": "x", "model_path": "y", "max_length": 8},
}  # fmt: skip
METRIC = {"name": "m", "type": "custom", "user_config": {"user_script": "evil.py"}, "sub_types": [{"name": "s"}]}
SCRIPTS = {
    "data config": {"data_configs": [DATA]},
    "evaluator": {"evaluators": {"e": {"type": "zz", "user_script": "evil.py"}}},
    "metric": {"evaluators": {"e": {"metrics": [METRIC]}}},
    "pass": {"passes": {"build": {"type": "OnnxStaticQuantization", "user_script": "evil.py"}}},
    "data of a pass": {"passes": {"build": {"type": "OnnxStaticQuantization", "data_config": DATA}}},
    "model": {"input_model": {"type": "PyTorchModel", "model_loader": "load", "model_script": "evil.py"}},
    "remote code": {"input_model": WORKFLOW["input_model"] | {"load_kwargs": {"trust_remote_code": True}}},
}  # fmt: skip


@pytest.mark.parametrize("kind", SCRIPTS)
def test_lint_imports_nothing_and_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("open('ran', 'w').write('x')\n")
    (tmp_path / "w.yaml").write_text(yaml.safe_dump({**WORKFLOW, **SCRIPTS[kind]}))
    with pytest.raises(LintError, match=r"runs code, .*it was not imported to be checked"):
        lint_file(Path("w.yaml"))
    assert not (tmp_path / "ran").exists()


def test_lint_takes_no_other_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    other = {"type": "PythonEnvironment", "python_environment_path": "bin"}
    systems = {"here": WORKFLOW["systems"]["here"] | other}
    (tmp_path / "w.yaml").write_text(yaml.safe_dump({**WORKFLOW, "systems": systems}))
    with pytest.raises(RecipeError, match=r"systems\.here\.type' is 'PythonEnvironment', expected 'LocalSystem'"):
        lint_file(Path("w.yaml"))


def test_lint_knows_the_script_that_olivepress_renders(project: Path) -> None:
    plan = load_plan("tiny-phi")
    from olivepress.pipeline.prepare import prepare

    prepare(plan)
    workflow = next(each for each in write_workflows(plan) if each.job_id == "finetune")
    lint_file(workflow.path)
    shim = workflow.path.with_name("olivepress_shim.py")
    shim.write_text(shim.read_text() + "open('ran', 'w')\n")
    with pytest.raises(LintError, match=r"user_script: runs code"):
        lint_file(workflow.path)
    assert not Path("ran").exists()


def test_nothing_of_it_is_left_for_olives_parser() -> None:
    nested: Any = {"user_script": "evil.py"}
    for _ in range(200):
        nested = [nested]
    config = {"a": [{"user_script": "e.py", "keep": 1}, "x.so", "fine"], "trust_remote_code": False, "deep": nested}
    left = without_foreign_code(config)
    assert left["a"] == [{"keep": 1}, "fine"] and left["trust_remote_code"] is False
    assert list(foreign_code(left)) == [] and "evil" not in json.dumps(left)
