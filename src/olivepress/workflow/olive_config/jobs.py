"""What Olive is given for each kind of job: the content of a workflow, but for what all jobs have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from olivepress.catalog import BUILD, Target
from olivepress.catalog.groups import with_group_sizes
from olivepress.catalog.provider import CPU
from olivepress.core.layout import CONFIGS
from olivepress.workflow.olive_config.finetune import finetune_config
from olivepress.workflow.olive_config.parts import data_config, hf_model, shim_path, system
from olivepress.workflow.plan import Job, Plan

__all__ = ["CALIBRATION_ROWS", "builder_without_remote_code", "job_config"]

EVALUATOR = "olivepress"
_BUILDER = "modelbuilder"
LORA_SURGEON = "OlivepressLoraInputs"
CALIBRATION = "calibration"  # what a target's pass names as its data_config: rows of the recipe's own training split
CALIBRATION_ROWS = 64
EVALUATED_ROWS = 32  # rows that Olive's own metrics.json is computed from; `olivepress bench` measures all test rows


def job_config(plan: Plan, job: Job) -> dict[str, Any]:
    """Model, systems, data and passes of one job, in Olive's words."""
    return {"finetune": finetune_config, "merge": _merge, "export": _export, "package": _package}[job.kind](plan, job)


def _accelerator(target: Target) -> tuple[str, str]:
    """Device and execution provider that Olive is given: the CPU's, for a model that is built for the CPU first."""
    provider = target.build_execution_provider or target.execution_provider
    device = "cpu" if provider == CPU.name else target.device
    return device, provider


def _merge(plan: Plan, job: Job) -> dict[str, Any]:
    assert job.parent is not None
    model = hf_model(plan, plan.model.path)
    # In the dtype of training: a wider one adds digits that mean nothing, a narrower one loses some.
    model["load_kwargs"]["torch_dtype"] = plan.recipe.finetune.torch_dtype
    model["adapter_path"] = (plan.output_dir(plan.job(job.parent)) / "adapter").as_posix()
    return {
        "input_model": model,
        "systems": system("cpu", CPU.name),
        "passes": {"merge": {"type": "MergeAdapterWeights"}},
    }


def _built(plan: Plan, target: Target, path: str) -> dict[str, Any]:
    """The model at ``path`` through the target's passes, with the rows that they calibrate on."""
    config: dict[str, Any] = {
        "input_model": hf_model(plan, path),
        "systems": system(*_accelerator(target)),
        "passes": _passes(plan, target),
    }
    if any(settings.get("data_config") == CALIBRATION for settings in target.passes.values()):
        config["data_configs"] = [_calibration(plan, target)]
    return config


def _calibration(plan: Plan, target: Target) -> dict[str, Any]:
    rows = data_config(plan, CALIBRATION, "train", "olivepress_calibration", max_rows=CALIBRATION_ROWS)
    pre = rows["pre_process_data_config"]
    pre["max_length"] = min(pre["max_length"], target.context_length or pre["max_length"])
    return rows


def _package(plan: Plan, job: Job) -> dict[str, Any]:
    """The base model through the target's passes, then inputs for adapters by our surgeon (``extension``)."""
    assert job.target is not None
    config = _built(plan, job.target, plan.model.path)
    # Olive imports a user_script, and with it the surgeon, with a data config only.
    config["data_configs"] = config.get("data_configs") or [_calibration(plan, job.target)]
    config["passes"]["lora_inputs"] = {
        "type": "GraphSurgeries",
        "surgeries": [{"surgeon": LORA_SURGEON}],
        # Inputs whose defaults are alike are no duplicates.
        "remove_duplicate_initializers": False,
        "save_as_external_data": True,
        "all_tensors_to_one_file": True,
        "external_data_name": "model.onnx.data",
    }
    return config


def _export(plan: Plan, job: Job) -> dict[str, Any]:
    assert job.target is not None
    target = job.target
    path = (plan.output_dir(plan.job(job.parent)) / "model").as_posix() if job.parent else plan.model.path
    config = _built(plan, target, path)
    rows = evaluated_rows(plan, job)
    if rows:
        config["evaluators"] = {
            EVALUATOR: {
                "type": "olivepress_evaluator",
                "user_script": shim_path(plan),
                "type_args": {
                    "dataset": plan.dataset.directory.as_posix(),
                    "max_examples": rows,
                },
            }
        }
        config["evaluator"] = EVALUATOR
    return config


def evaluated_rows(plan: Plan, job: Job) -> int:
    """Most rows of the test split that Olive's own metrics of an export are computed from; 0 without any.

    An evaluator that names a provider absent from the build environment aborts the build; elsewhere the device's own
    ``olivepress bench`` measures.
    """
    if job.target is None or job.target.execution_provider != CPU.name or not job.parent:
        return 0
    return min(plan.recipe.benchmark.max_examples or EVALUATED_ROWS, EVALUATED_ROWS)


def _passes(plan: Plan, target: Target) -> dict[str, Any]:
    """The target's passes, with the recipe's chip, groups that divide the model's rows, and the target's files where
    they are written to."""
    soc_model = plan.recipe.soc_model if target.soc_models else None

    def resolved(value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: resolved(entry, name) for name, entry in value.items()}
        if isinstance(value, list):
            return [resolved(entry) for entry in value]
        if key == "soc_model" and soc_model:
            return soc_model
        return (CONFIGS / plan.recipe.name / value).as_posix() if value in target.files else value

    passes = builder_without_remote_code(with_group_sizes(target.passes, plan.model.facts.config))
    family = plan.model.family
    passes = _with_repairs(passes, family.repairs if family.build_environment != BUILD else ())
    return {name: resolved(settings) for name, settings in passes.items()}


def _with_repairs(passes: Mapping[str, Mapping[str, Any]], repairs: Sequence[str]) -> dict[str, dict[str, Any]]:
    """The passes; ModelBuilder with the repairs that the model's family needs."""
    own = {"repairs": list(repairs)} if repairs else {}
    return {
        name: {**settings, **(own if str(settings["type"]).lower() == _BUILDER else {})}
        for name, settings in passes.items()
    }


def builder_without_remote_code(passes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The passes; ModelBuilder no longer imports the Python files that a model's config.json names, its default."""
    return {
        name: {**settings, "extra_options": {**settings.get("extra_options", {}), "hf_remote": False}}
        if str(settings.get("type", "")).lower() == _BUILDER
        else dict(settings)
        for name, settings in passes.items()
    }
