"""Each trap of the targets: planted in a workflow of the catalog it is found, and said what to write instead."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from olivepress.catalog import targets
from olivepress.core.errors import RecipeError
from olivepress.pipeline.plan import load_plan
from olivepress.workflow.lint_rules import broken_rules
from olivepress.workflow.render import render_all

GOLDEN = Path(__file__).parents[2] / "olive_configs"
SOC_MODELS = {number: chip for target in targets().values() for number, chip in target.soc_models.items()}
REMOVE = object()

# (target, where in its workflow, what stands there then, what is said of it)
TRAPS: list[tuple[str, tuple[str | int, ...], Any, str]] = [
    ("qnn-npu-w4a16", ("passes", "quantize", "group_size"), 32, "write -1, one scale per channel"),
    ("qnn-npu-w4a16", ("passes", "compile", "weight_sharing"), True, "Input source doesn't exist"),
    ("qnn-npu-w4a16", ("passes", "compile", "disable_cpu_fallback"), False, "run on the CPU unseen; write true"),
    ("qnn-npu-w8a16", ("passes", "compile", "provider_options", "backend_path"), REMOVE, "add backend_path"),
    ("qnn-npu-w8a16", ("passes", "compile", "provider_options", "soc_model"), "9999", "no known chip"),
    ("qnn-npu-w8a16", ("passes", "cache"), REMOVE, "add DynamicToFixedShape with dim_param [past_sequence_length]"),
    ("qnn-npu-w8a16", ("passes", "attention"), REMOVE, "add OnnxFloatToFloat16 with op_include_list"),
    ("openvino-cpu-int4", ("passes", "convert", "extra_args", "task"), REMOVE, "write text-generation-with-past"),
    ("openvino-cpu-int4", ("passes", "convert", "extra_args", "task"), "text-generation", "without a cache"),
    (
        "openvino-npu-int4",
        ("passes", "convert", "ov_quant_config", "group_size_fallback"),
        REMOVE,
        "add group_size_fallback: adjust",
    ),
    ("openvino-gpu-fp16", ("passes", "io"), {"type": "OpenVINOIoUpdate"}, "renames the model"),
    ("openvino-gpu-fp16", ("passes", "en"), {"type": "OpenVINOEncapsulation"}, "renames the model"),
    (
        "openvino-cpu-fp16",
        ("passes", "q"),
        {"type": "OnnxStaticQuantization", "quant_preprocess": True},
        "k_quant_type, which OpenVINO's ONNX Runtime refuses; write false",
    ),
    ("directml-int4", ("passes", "quantize", "embeds"), True, "DirectML has no GatherBlockQuantized"),
    ("directml-int4", ("evaluator",), "olivepress", "remove it, and use olivepress bench"),
    (
        "trt-rtx-int4",
        ("passes",),
        {"q": {"type": "Rtn"}, "b": {"type": "ModelBuilder"}},
        "compute nonsense; remove Rtn",
    ),
    (
        "cpu-int4-compact",
        ("passes",),
        {"select": {"type": "SelectiveMixedPrecision", "bits": 4}, "embedding": {"type": "Rtn", "bits": 8}},
        "makes it 4; name the exceptions in overrides",
    ),
    ("cpu-fp32", ("passes", "build", "precision"), "int8", "the builder knows no int8"),
    ("cpu-fp32", ("passes", "build", "type"), "OnnxConversion", "fails on these decoders; write ModelBuilder"),
]


def workflow_of(target: str) -> tuple[dict[str, Any], str]:
    text = (GOLDEN / "llama" / f"export-{target}.yaml").read_text(encoding="utf-8")
    return yaml.safe_load(text), text


def plant(config: dict[str, Any], where: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    changed = copy.deepcopy(config)
    inner: Any = changed
    for key in where[:-1]:
        inner = inner[key]
    if value is REMOVE:
        del inner[where[-1]]
    else:
        inner[where[-1]] = value
    return changed


@pytest.mark.parametrize(("target", "where", "value", "says"), TRAPS)
def test_a_planted_trap_is_found(target: str, where: tuple[str | int, ...], value: Any, says: str) -> None:
    config, text = workflow_of(target)
    found = list(broken_rules(plant(config, where, value), text, SOC_MODELS))
    assert any(says in message for _, message in found), found


def test_a_compiled_model_without_its_package_config() -> None:
    config, text = workflow_of("qnn-npu-w4a16")
    assert "--package-config olive_configs/llama/qnn-npu-package.json" in text
    found = list(broken_rules(config, text.replace("--package-config", ""), SOC_MODELS))
    keys = [key for key, message in found if "--package-config FILE" in message]
    assert keys == ["passes.compile.type"]


@pytest.mark.parametrize(
    ("kind", "key", "value"), [("LoHa", "lora_dropout", 0.1), ("LoKr", "lora_dropout", 0.1), ("QLoRA", "x", 1)]
)
def test_a_key_that_an_adapter_s_pass_does_not_read(kind: str, key: str, value: float) -> None:
    text = (GOLDEN / "llama" / "finetune.yaml").read_text(encoding="utf-8")
    config = plant(yaml.safe_load(text), ("passes", "lora", "type"), kind)
    found = dict(broken_rules(plant(config, ("passes", "lora", key), value), text, SOC_MODELS))
    expected = "passes.lora.target_modules" if kind == "QLoRA" else f"passes.lora.{key}"
    assert list(found) == [expected] and "remove it, or use" in found[expected]


def test_no_golden_workflow_holds_a_trap() -> None:
    paths = sorted(GOLDEN.glob("*/*.yaml"))
    assert len(paths) >= 100
    for path in paths:
        text = path.read_text(encoding="utf-8")
        assert not list(broken_rules(yaml.safe_load(text), text, SOC_MODELS)), path


def test_the_recipe_s_chip(project: Path) -> None:
    recipe = (project / "recipes" / "llama.yaml").read_text()
    (project / "recipes" / "mine.yaml").write_text(recipe.replace("name: llama", "name: mine\nsoc_model: '57'"))
    workflows = {workflow.job_id: workflow for workflow in render_all(load_plan("mine"))}
    assert "soc_model: '57'" in workflows["export-qnn-npu-w4a16"].text
    assert "soc_model" not in workflows["export-qnn-gpu-int4"].text
    (project / "recipes" / "mine.yaml").write_text(recipe.replace("name: llama", "name: mine\nsoc_model: '9999'"))
    with pytest.raises(RecipeError, match=r"soc_model '9999' is no chip.*60: Snapdragon X Elite"):
        load_plan("mine")
    tiny = (project / "recipes" / "tiny-phi.yaml").read_text()
    (project / "recipes" / "mine.yaml").write_text(tiny.replace("name: tiny-phi", "name: mine\nsoc_model: '60'"))
    with pytest.raises(RecipeError, match="no target of the recipe is compiled for a chip"):
        load_plan("mine")


def test_files_that_a_workflow_reads_are_rendered_beside_it(project: Path) -> None:
    workflow = next(w for w in render_all(load_plan("llama")) if w.job_id == "export-qnn-npu-w8a16")
    names = {path.name for path in workflow.files}
    assert names == {"qnn_op_affinity.json", "qnn-npu-package.json"}
    assert workflow.config["passes"]["compile"]["provider_options"]["op_affinity"] in map(str, workflow.files)
    listed = yaml.safe_load(workflow.files[Path("olive_configs/llama/qnn-npu-package.json")])["passes"]
    assert set(listed) == {settings["type"] for settings in workflow.config["passes"].values()}
