"""Job → Olive workflow. Pure and byte-identical everywhere: no absolute path, no date, no machine."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from olivepress.catalog import Target
from olivepress.catalog.groups import with_group_sizes
from olivepress.core.layout import CONFIGS, olive_cache, tensorboard_dir, training_dir
from olivepress.recipe.methods import METHODS, four_bit_base
from olivepress.workflow.olive_plugin.passes import package_entries
from olivepress.workflow.plan import Job, Plan

__all__ = ["SHIM", "Workflow", "builder_without_remote_code", "render", "render_all", "shim_of", "shim_text"]

SHIM = "olivepress_shim.py"
_PLACEHOLDER = "@identity@"
EVALUATOR = "olivepress"
LORA_SURGEON = "OlivepressLoraInputs"
CALIBRATION = "calibration"  # what a target's pass names as its data_config: rows of the recipe's own training split
_CALIBRATION_ROWS = 64
EVALUATED_ROWS = 32  # what Olive's own metrics.json is told from; `olivepress bench` measures the recipe's test rows


@dataclass(frozen=True, kw_only=True)
class Workflow:
    """A rendered workflow: ``identity`` hashes it with its dataset and names its cache and training directory.

    ``files`` (path → text) are read by it; ``package_config`` is the one of them that Olive is given by name.
    """

    job_id: str
    path: Path
    text: str
    identity: str
    files: Mapping[Path, str] = field(default_factory=dict)
    package_config: Path | None = None

    @property
    def sha256(self) -> str:
        """Over the workflow and the files that it reads."""
        return hashlib.sha256("\n".join([self.text, *self.files.values()]).encode()).hexdigest()

    @property
    def config(self) -> dict[str, Any]:
        """The workflow as Olive parses it."""
        config: dict[str, Any] = yaml.safe_load(self.text)
        return config

    @property
    def cache_dir(self) -> Path:
        return Path(self.config["cache_dir"])

    @property
    def training_dir(self) -> Path | None:
        """Where checkpoints go; None for a job that does not train."""
        for settings in self.config["passes"].values():
            if "training_args" in settings:
                return Path(settings["training_args"]["output_dir"])
        return None


def render_all(plan: Plan) -> tuple[Workflow, ...]:
    """Every workflow of the plan, in the order they can run."""
    return tuple(render(plan, job) for job in plan.jobs)


def render(plan: Plan, job: Job) -> Workflow:
    """The Olive workflow of one job."""
    config = {"finetune": _finetune, "merge": _merge, "export": _export, "package": _package}[job.kind](plan, job)
    config |= {
        "host": "here",
        "target": "here",
        "evaluate_input_model": False,
        "output_dir": plan.output_dir(job).as_posix(),
        "cache_dir": olive_cache(plan.recipe.name, f"{job.id}-{_PLACEHOLDER}").as_posix(),
    }
    files = _files(plan, job)
    body = yaml.dump(config, Dumper=_Dumper, sort_keys=False, width=120, allow_unicode=True)
    text = _header(plan, job) + body
    identity = hashlib.sha256(f"{plan.dataset.version}\n{text}".encode()).hexdigest()[:12]
    return Workflow(
        job_id=job.id,
        path=CONFIGS / plan.recipe.name / f"{job.id}.yaml",
        text=text.replace(_PLACEHOLDER, identity),
        identity=identity,
        files=files,
        package_config=_package_config(plan, job),
    )


class _Dumper(yaml.SafeDumper):
    """Writes a list or mapping that occurs twice out twice: a workflow is read by people."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _files(plan: Plan, job: Job) -> dict[Path, str]:
    """What the target's passes read beside the workflow."""
    if job.target is None:
        return {}
    folder = CONFIGS / plan.recipe.name
    files = {folder / name: json.dumps(content, indent=2) + "\n" for name, content in job.target.files.items()}
    path = _package_config(plan, job)
    if path is not None:
        files[path] = package_config_text(job.target)
    return files


def package_config_text(target: Target) -> str:
    """What ``olive run --package-config`` is given for the passes of ``target``, and for the inputs of a package."""
    modules = {"GraphSurgeries": "olive.passes.onnx.graph_surgeries.GraphSurgeries", **target.package_config}
    return json.dumps({"passes": package_entries(modules)}, indent=2) + "\n"


def _package_config(plan: Plan, job: Job) -> Path | None:
    if job.target is None or not job.target.package_config:
        return None
    return CONFIGS / plan.recipe.name / f"{job.target.file}-package.json"


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


def shim_text(plan: Plan) -> str:
    """The ``user_script`` of every workflow of the plan.

    Olive imports it twice and not through ``sys.modules``, so it may define nothing: it seeds (Olive creates the
    adapter before any seed is set) and imports the extension, which registers our data components and evaluator.
    """
    return shim_of(plan.recipe.finetune.seed)


def shim_of(seed: int) -> str:
    """Its text; nothing but the seed changes in it."""
    return (
        '"""Rendered by olivepress: seeds, then registers its Olive components. Do not edit."""\n\n'
        "from olivepress.workflow.olive_plugin.extension import activate\n\n"
        f"activate(seed={seed})\n"
    )


def _header(plan: Plan, job: Job) -> str:
    config = (CONFIGS / plan.recipe.name / f"{job.id}.yaml").as_posix()
    from_parent = job.parent and job.kind != "package"  # that is held against its parent, not made from it
    reads = f"the artifact of {job.parent}" if from_parent else f"the base model {plan.model.path}"
    lines = [
        f"Rendered by olivepress from recipe {plan.recipe.name}; edit the recipe, not this file.",
        f"Job {job.id}: reads {reads}.",
        f"Run from the project root: olive run --config {config} --disable_telemetry{_options(plan, job)}",
        f"or, verified and resumable: olivepress run MODEL --job {job.id}",
        *_origins(plan, job),
    ]
    return "".join(f"# {line}\n" for line in lines)


def _options(plan: Plan, job: Job) -> str:
    path = _package_config(plan, job)
    return f" --package-config {path.as_posix()}" if path else ""


_ADAPTERS = "then, for each adapter: olivepress adapters add PACKAGE PEFT_DIR --name NAME (olivepress run does it)"


def _origins(plan: Plan, job: Job) -> list[str]:
    """Where each choice came from."""
    if job.kind == "finetune":
        return [
            f"passes: recipe finetune; target_modules: {_target_modules_from(plan)}",
            f"data: {plan.dataset.name}, sha256 {plan.dataset.version}",
        ]
    if job.target:
        target = job.target
        adds = ["lora_inputs: two inputs for every projection, of any rank", _ADAPTERS] if job.kind == "package" else []
        built = f"; built in the environment {target.build_environment}" if target.build_environment != "build" else ""
        why = ["package_config: a pass that Olive does not know, or refuses"] if target.package_config else []
        if target.provider_options or target.context_length or target.runtime == "openvino":
            why.append("olivepress run then says where it is to run, and takes paths of this machine out (run/tidy.py)")
        return [f"passes: target {target.target} ({target.description}){built}", *adds, *why]
    return ["passes: adapter_mode merge of the recipe"]


def _target_modules_from(plan: Plan) -> str:
    if "target_modules" in METHODS[plan.recipe.finetune.method].ignores:
        return "Olive's, every linear layer but the head"
    return "recipe" if plan.recipe.finetune.target_modules else f"family {plan.model.family.family}"


def _hf_model(plan: Plan, path: str) -> dict[str, Any]:
    """An HfModel that only ever reads safetensors."""
    model: dict[str, Any] = {"type": "HfModel", "model_path": path, "task": "text-generation"}
    load: dict[str, Any] = {"trust_remote_code": False, "use_safetensors": True}
    if path == plan.model.path and plan.recipe.model.revision and not plan.model.is_local:
        load["revision"] = plan.recipe.model.revision
    return model | {"load_kwargs": load}


def _system(device: str, execution_provider: str) -> dict[str, Any]:
    accelerators = [{"device": device, "execution_providers": [execution_provider]}]
    return {"here": {"type": "LocalSystem", "accelerators": accelerators}}


def _accelerator(target: Target) -> tuple[str, str]:
    """Device and execution provider as Olive is told them: of a model built for the CPU first, those of the CPU."""
    told = target.build_execution_provider or target.execution_provider
    return ("cpu" if told == "CPUExecutionProvider" else target.device), told


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
            "revision": None if plan.model.is_local else plan.recipe.model.revision,
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
        "systems": _system("cpu", "CPUExecutionProvider"),
        "data_configs": [_data_config(plan, "train", "train", "olivepress_supervised", **packing, **turns)],
        "passes": {settings.method: _adapter(plan, job)},
    }


def _adapter(plan: Plan, job: Job) -> dict[str, Any]:
    """The pass that trains the adapter, without the keys that it would take and make nothing of."""
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
    logging = {"logging_dir": tensorboard_dir(plan.recipe.name).as_posix()} if settings.report_to else {}
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
        "report_to": ["olivepress", *settings.report_to],
        "output_dir": training_dir(plan.recipe.name, f"{job.id}-{_PLACEHOLDER}").as_posix(),
    }


def _merge(plan: Plan, job: Job) -> dict[str, Any]:
    assert job.parent is not None
    model = _hf_model(plan, plan.model.path)
    # Merged in the dtype that was trained in: more is invented, less is lost.
    model["load_kwargs"]["torch_dtype"] = plan.recipe.finetune.torch_dtype
    model["adapter_path"] = (plan.output_dir(plan.job(job.parent)) / "adapter").as_posix()
    return {
        "input_model": model,
        "systems": _system("cpu", "CPUExecutionProvider"),
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
    if target.execution_provider == "CPUExecutionProvider" and job.parent:
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
