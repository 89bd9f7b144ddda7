"""What Olive is given for each kind of job: the content of a workflow, but for what all jobs have in common."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from olivepress.catalog import Target
from olivepress.catalog.groups import with_group_sizes
from olivepress.catalog.provider import CPU
from olivepress.core.layout import CONFIGS, tensorboard_dir, training_dir
from olivepress.recipe.methods import METHODS, four_bit_base
from olivepress.workflow.plan import Job, Plan
from olivepress.workflow.rendered import SHIM

__all__ = ["IDENTITY", "builder_without_remote_code", "job_config"]

IDENTITY = "@identity@"  # stands for the hash of the workflow, which is known once its text is
EVALUATOR = "olivepress"
LORA_SURGEON = "OlivepressLoraInputs"
CALIBRATION = "calibration"  # what a target's pass names as its data_config: rows of the recipe's own training split
_CALIBRATION_ROWS = 64
EVALUATED_ROWS = 32  # rows that Olive's own metrics.json is computed from; `olivepress bench` measures all test rows


def job_config(plan: Plan, job: Job) -> dict[str, Any]:
    """Model, systems, data and passes of one job, in Olive's words."""
    return {"finetune": _finetune, "merge": _merge, "export": _export, "package": _package}[job.kind](plan, job)


def _hf_model(plan: Plan, path: str) -> dict[str, Any]:
    """An HfModel that only ever reads safetensors."""
    model: dict[str, Any] = {"type": "HfModel", "model_path": path, "task": "text-generation"}
    load: dict[str, Any] = {"trust_remote_code": False, "use_safetensors": True}
    if path == plan.model.path and plan.model.revision:
        load["revision"] = plan.model.revision
    return model | {"load_kwargs": load}


def _system(device: str, execution_provider: str) -> dict[str, Any]:
    accelerators = [{"device": device, "execution_providers": [execution_provider]}]
    return {"here": {"type": "LocalSystem", "accelerators": accelerators}}


def _accelerator(target: Target) -> tuple[str, str]:
    """Device and execution provider that Olive is given: the CPU's, for a model that is built for the CPU first."""
    provider = target.build_execution_provider or target.execution_provider
    device = "cpu" if provider == CPU.name else target.device
    return device, provider


def _shim_path(plan: Plan) -> str:
    return (CONFIGS / plan.recipe.name / SHIM).as_posix()


def _data_config(plan: Plan, name: str, split: str, component: str, **settings: Any) -> dict[str, Any]:
    return {
        "name": name,
        "type": "DataContainer",
        "user_script": _shim_path(plan),
        "load_dataset_config": {
            "type": "olivepress_dataset",
            "directory": plan.dataset.directory.as_posix(),
            "split": split,
        },
        "pre_process_data_config": {
            "type": component,
            "model_path": plan.model.path,
            "revision": plan.model.revision,
            "max_length": plan.max_length,
            **settings,
        },
    }


def _finetune(plan: Plan, job: Job) -> dict[str, Any]:
    settings = plan.recipe.finetune
    packing = {"packing": True} if settings.packing else {}
    turns = {"train_on": settings.train_on} if settings.train_on != "answer" else {}
    return {
        "input_model": _hf_model(plan, plan.model.path),
        "systems": _system("cpu", CPU.name),
        "data_configs": [_data_config(plan, "train", "train", "olivepress_supervised", **packing, **turns)],
        "passes": {settings.method: _adapter(plan, job)},
    }


def _adapter(plan: Plan, job: Job) -> dict[str, Any]:
    """The pass that trains the adapter, without the keys that it would ignore."""
    settings = plan.recipe.finetune
    method = METHODS[settings.method]
    chosen = {
        "lora_dropout": settings.lora_dropout,
        "target_modules": list(settings.target_modules or plan.model.family.target_modules),
    }
    quantized = four_bit_base(settings.method, settings.torch_dtype)
    return {
        "type": method.olive_pass,
        "r": settings.r,
        "alpha": settings.alpha,
        **{key: value for key, value in chosen.items() if key not in method.ignores},
        **(quantized.model_dump() if quantized else {}),
        "torch_dtype": settings.torch_dtype,
        "train_data_config": "train",
        "training_args": _training_args(plan, job),
    }


def _training_args(plan: Plan, job: Job) -> dict[str, Any]:
    settings = plan.recipe.finetune
    length = {"max_steps": settings.max_steps} if settings.max_steps else {"num_train_epochs": settings.epochs}
    logging = (
        {"logging_dir": tensorboard_dir(plan.recipe.name).as_posix()} if "tensorboard" in settings.report_to else {}
    )
    return {
        "seed": settings.seed,
        "data_seed": settings.seed,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.lr_scheduler_type,
        "warmup_ratio": settings.warmup_ratio,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        **length,
        "per_device_train_batch_size": settings.batch_size,
        "gradient_accumulation_steps": settings.gradient_accumulation_steps,
        "gradient_checkpointing": settings.gradient_checkpointing,
        # Rows come unpadded and like lengths stand together, so that next to no time goes into padding.
        "group_by_length": True,
        "optim": "adamw_torch",
        "logging_steps": 1,
        # By default a NaN loss is logged as the mean of the others.
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "save_steps": settings.save_steps,
        "save_total_limit": 1,
        "disable_tqdm": True,
        **logging,
        # The trainer's own callback for MLflow ends a fine-tune when the server is down; olivepress sends the curves.
        "report_to": ["olivepress", *(name for name in settings.report_to if name != "mlflow")],
        "output_dir": training_dir(plan.recipe.name, f"{job.id}-{IDENTITY}").as_posix(),
    }


def _merge(plan: Plan, job: Job) -> dict[str, Any]:
    assert job.parent is not None
    model = _hf_model(plan, plan.model.path)
    # In the dtype of training: a wider one adds digits that mean nothing, a narrower one loses some.
    model["load_kwargs"]["torch_dtype"] = plan.recipe.finetune.torch_dtype
    model["adapter_path"] = (plan.output_dir(plan.job(job.parent)) / "adapter").as_posix()
    return {
        "input_model": model,
        "systems": _system("cpu", CPU.name),
        "passes": {"merge": {"type": "MergeAdapterWeights"}},
    }


def _built(plan: Plan, target: Target, path: str) -> dict[str, Any]:
    """The model at ``path`` through the target's passes, with the rows that they calibrate on."""
    config: dict[str, Any] = {
        "input_model": _hf_model(plan, path),
        "systems": _system(*_accelerator(target)),
        "passes": _passes(plan, target),
    }
    if any(settings.get("data_config") == CALIBRATION for settings in target.passes.values()):
        config["data_configs"] = [_calibration(plan, target)]
    return config


def _calibration(plan: Plan, target: Target) -> dict[str, Any]:
    rows = _data_config(plan, CALIBRATION, "train", "olivepress_calibration", max_rows=_CALIBRATION_ROWS)
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
    # An evaluator that names a provider absent from the build environment aborts the build; elsewhere the
    # device's own `olivepress bench` measures.
    if target.execution_provider == CPU.name and job.parent:
        config["evaluators"] = {
            EVALUATOR: {
                "type": "olivepress_evaluator",
                "user_script": _shim_path(plan),
                "type_args": {
                    "dataset": plan.dataset.directory.as_posix(),
                    "max_examples": min(plan.recipe.benchmark.max_examples or EVALUATED_ROWS, EVALUATED_ROWS),
                },
            }
        }
        config["evaluator"] = EVALUATOR
    return config


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
    return {name: resolved(settings) for name, settings in passes.items()}


def builder_without_remote_code(passes: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """The passes; ModelBuilder no longer imports the Python files that a model's config.json names, its default."""
    return {
        name: {**settings, "extra_options": {**settings.get("extra_options", {}), "hf_remote": False}}
        if str(settings.get("type", "")).lower() == "modelbuilder"
        else dict(settings)
        for name, settings in passes.items()
    }
