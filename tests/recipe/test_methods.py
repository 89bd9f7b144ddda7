"""What the table of methods says of Olive and peft holds for the ones that are installed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from olivepress.measure.subject import Subject
from olivepress.measure.worker.records import ModelSpec
from olivepress.pipeline.plan import load_plan
from olivepress.pipeline.prepare import prepare
from olivepress.pipeline.subjects import _job_subject
from olivepress.recipe.methods import METHODS, four_bit_base
from olivepress.recipe.schema import Finetune
from olivepress.run.verify.adapter import starts_at_zero
from olivepress.workflow.estimate import need
from olivepress.workflow.lint import lint
from olivepress.workflow.model import EMBEDDED
from olivepress.workflow.plan import Plan
from olivepress.workflow.render import render_all
from tests.workflow.olive_plugin.pairs import write_pairs

ADAPTERS = [method for method, each in METHODS.items() if each.adapter and not each.pairs]
PAIRS = [method for method, each in METHODS.items() if each.pairs]


def test_a_recipe_can_name_every_method() -> None:
    assert get_args(Finetune.model_fields["method"].annotation) == tuple(METHODS)


def adapted(method: str, **settings: Any) -> Any:
    """A small module with the adapter that Olive's own pass puts on it, before the first step."""
    import torch
    from olive.hardware.accelerator import DEFAULT_CPU_ACCELERATOR
    from olive.package_config import OlivePackageConfig

    module = torch.nn.Sequential(torch.nn.Linear(32, 48), torch.nn.Linear(48, 16))
    kind = OlivePackageConfig.load_default_config().import_pass_module(METHODS[method].olive_pass)
    data = {"train_data_config": {"name": "none", "type": "DataContainer"}}
    given = {"r": 4, "alpha": 8, "target_modules": ["0", "1"], **data, **settings}
    config = kind.generate_config(DEFAULT_CPU_ACCELERATOR, given, {}, True)
    return kind.get_peft_model(module, config, {"use_dora": True} if METHODS[method].magnitudes else {})


@pytest.mark.parametrize("method", ADAPTERS)
def test_what_starts_at_zero_in_this_peft(method: str) -> None:
    import torch

    tuned = adapted(method)
    trained = {name: value for name, value in tuned.named_parameters() if value.requires_grad}
    zero = {name for name, value in trained.items() if not bool((value != 0).any())}
    # Parameters carry the adapter's name, the saved tensors do not.
    assert len(zero) == 2 and zero == {n for n in trained if starts_at_zero(n.replace(".default", ""), method)}
    inputs = torch.randn(3, 32)
    with tuned.disable_adapter():
        base = tuned(inputs)
    assert torch.allclose(tuned(inputs), base, atol=1e-6)
    for name in zero:
        torch.nn.init.constant_(trained[name], 0.1)
    assert not torch.allclose(tuned(inputs), base, atol=1e-3)


@pytest.mark.parametrize("method", ADAPTERS)
def test_dropout_is_refused_where_olive_s_pass_makes_nothing_of_it(method: str) -> None:
    import torch

    dropouts = [m.p for m in adapted(method, lora_dropout=0.5).modules() if isinstance(m, torch.nn.Dropout)]
    assert bool(dropouts) == ("lora_dropout" not in METHODS[method].ignores)
    assert set(dropouts) <= {0.5}


@pytest.mark.parametrize("method", ADAPTERS)
def test_the_workflow_of_each_method(method: str, project: Path) -> None:
    recipe = project / "recipes" / "tiny-phi.yaml"
    recipe.write_text(recipe.read_text().replace("finetune:\n", f"finetune:\n  method: {method}\n"))
    plan = load_plan("tiny-phi")
    prepare(plan)
    workflows = render_all(plan)
    assert not [str(finding) for finding in lint(workflows[:2]) if finding.level == "error"]
    settings = workflows[0].config["passes"][method]
    assert settings["type"] == METHODS[method].olive_pass and (settings["r"], settings["alpha"]) == (16, 32)
    assert ("lora_dropout" in settings) == (method in ("lora", "qlora", "dora"))
    assert ("target_modules" in settings) == (method != "qlora")
    four_bit = four_bit_base(method, "float32")
    assert (four_bit is not None) == (method == "qlora") == ("quant_type" in settings)
    if four_bit is not None:
        assert {name: settings[name] for name in four_bit.model_dump()} == four_bit.model_dump()
        assert "every linear layer but the head" in workflows[0].text
    assert workflows[1].config["passes"] == {"merge": {"type": "MergeAdapterWeights"}}


@pytest.mark.parametrize("method", PAIRS)
def test_the_workflow_of_a_preference_tuning(method: str, project: Path) -> None:
    write_pairs(project)
    recipe = project / "recipes" / "pairs.yaml"
    finetune = f"{{method: {method}, beta: 0.3, gradient_checkpointing: true}}"
    recipe.write_text(
        f"name: pairs\nmodel: {{path: {EMBEDDED}}}\ndata: {{source: pairs}}\nfinetune: {finetune}\ntargets: [cpu]\n"
    )
    plan = load_plan("pairs")
    prepare(plan)
    workflow, merge = render_all(plan)[:2]
    assert not [str(finding) for finding in lint([workflow, merge]) if finding.level == "error"]
    settings = workflow.config["passes"][method]
    assert (settings["type"], settings["objective"], settings["beta"]) == ("PreferenceTuning", method, 0.3)
    assert settings["r"] == 16 and "lora_dropout" not in settings and "start_from" not in settings
    assert [data["pre_process_data_config"]["type"] for data in workflow.config["data_configs"]] == [
        "olivepress_pairs", "olivepress_validation"
    ]  # fmt: skip
    assert "--package-config olive_configs/pairs/finetune-package.json" in workflow.text
    assert need(plan, plan.jobs[0]).memory_bytes > need(as_lora(plan), plan.jobs[0]).memory_bytes


def as_lora(plan: Plan) -> Plan:
    finetune = plan.recipe.finetune.model_copy(update={"method": "lora"})
    return replace(plan, recipe=plan.recipe.model_copy(update={"finetune": finetune}))


@pytest.mark.parametrize("method", PAIRS)
def test_preferences_have_a_rate_of_their_own(method: str) -> None:
    assert Finetune.model_validate({"method": method}).learning_rate == 2e-5
    assert Finetune.model_validate({"method": method, "learning_rate": 1e-3}).learning_rate == 1e-3
    assert Finetune.model_validate({"method": "lora"}).learning_rate == 2e-4 == Finetune().learning_rate


@pytest.mark.parametrize("method", PAIRS)
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("lora_dropout", 0.1), ("packing", True), ("train_on", "all_turns"), ("label_smoothing", 0.1),
        ("neftune_noise_alpha", 5), ("freeze_layers", 1), ("label_weights", {"a": 2}), ("loss", {"module": "a.py:b"}),
    ],
)  # fmt: skip
def test_what_a_preference_tuning_would_ignore_is_refused(method: str, key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"no {key} with method {method}"):
        Finetune.model_validate({"method": method, key: value})


@pytest.mark.parametrize("method", [*ADAPTERS, "full"])
@pytest.mark.parametrize(("key", "value"), [("beta", 0.2), ("start_from", "first")])
def test_what_only_pairs_take_is_refused_elsewhere(method: str, key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"no {key} with method {method}: it does not train on pairs"):
        Finetune.model_validate({"method": method, key: value})


@pytest.mark.parametrize(("key", "value"), [("r", 8), ("alpha", 8), ("target_modules", ("qkv_proj",))])
def test_an_adapter_that_is_trained_further_has_its_own_shape(key: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"no {key} with start_from, whose adapter has its own"):
        Finetune.model_validate({"method": "dpo", "start_from": "first", key: value})


@pytest.mark.parametrize("start", ["", "/tmp/a", "a b", "a//b", "a\\b"])
def test_a_start_is_a_name_or_a_path_in_the_project(start: str) -> None:
    with pytest.raises(ValueError, match="start_from"):
        Finetune.model_validate({"method": "dpo", "start_from": start})


def test_the_workflow_without_an_adapter(project: Path) -> None:
    """Olive finds no fault with it, and no job merges: exports are made from the fine-tune."""
    recipe = project / "recipes" / "tiny-phi.yaml"
    text = recipe.read_text().replace("  r: 16\n  alpha: 32\n", "  method: full\n  freeze_layers: 1\n")
    recipe.write_text(text.replace("torch_dtype: float32", "torch_dtype: bfloat16\n  gradient_checkpointing: true"))
    plan = load_plan("tiny-phi")
    prepare(plan)
    assert [job.id for job in plan.jobs[:2]] == ["finetune", "export-cpu-fp32"] and plan.trained == "finetune"
    assert {job.parent for job in plan.jobs[1:]} == {"finetune"}
    workflow, export = render_all(plan)[:2]
    assert not [str(finding) for finding in lint([workflow, export]) if finding.level == "error"]
    settings = workflow.config["passes"]["full"]
    assert (settings["type"], settings["freeze_layers"], settings["torch_dtype"]) == ("FullFinetune", 1, "bfloat16")
    assert not {"r", "alpha", "lora_dropout", "target_modules"} & set(settings)
    assert "--package-config olive_configs/tiny-phi/finetune-package.json" in workflow.text
    assert export.config["input_model"]["model_path"] == "runs/tiny-phi/finetune/model"


@pytest.mark.parametrize(("method", "dtype", "precision"), [("lora", "float32", "fp32"), ("qlora", "bfloat16", "nf4")])
def test_the_fine_tuned_model_is_measured_as_it_was_trained(
    method: str, dtype: str, precision: str, project: Path
) -> None:
    recipe = project / "recipes" / "tiny-phi.yaml"
    text = recipe.read_text().replace("torch_dtype: float32", f"torch_dtype: {dtype}")
    recipe.write_text(text.replace("finetune:\n", f"finetune:\n  method: {method}\n"))
    plan = load_plan("tiny-phi")
    base = Subject(model_dir=Path("base"), runtime="pytorch", recipe="r", job="base", artifact_sha256="a")
    resources = SimpleNamespace(seconds=1.0, peak_memory_bytes=2)
    manifest: Any = SimpleNamespace(sha256="b", git_commit=None, parent=None, kind="finetune", resources=resources)
    found = _job_subject(plan, plan.job("finetune"), {"finetune": manifest}, base)
    assert (found.precision, found.adapter_dir) == (precision, Path("runs/tiny-phi/finetune/adapter"))
    assert found.four_bit == four_bit_base(method, "bfloat16") and found.model_dir == Path("base")
    # What the measuring process is given is what it makes of it.
    spec = {"adapter_dir": str(found.adapter_dir), "four_bit": found.four_bit and found.four_bit.model_dump()}
    given = ModelSpec.model_validate_json(json.dumps(spec | {"model_dir": "base"}))
    assert given.tuned == {"adapter_dir": found.adapter_dir, "four_bit": found.four_bit}
