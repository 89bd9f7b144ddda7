"""What Olive is given for a fine-tune: its data, its pass and the arguments of its trainer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from olivepress.adapters.start_adapter import start_adapter
from olivepress.catalog.provider import CPU
from olivepress.core.layout import tensorboard_dir, training_dir
from olivepress.environments.lookup import environment
from olivepress.recipe.finetune import Finetune
from olivepress.recipe.methods import METHODS, four_bit_base
from olivepress.workflow.evaluation import Evaluation, evaluation_of, higher_is_better
from olivepress.workflow.olive_config.parts import data_config, hf_model, system
from olivepress.workflow.own_loss import loss_sha256
from olivepress.workflow.plan import Job, Plan

__all__ = ["IDENTITY", "finetune_config", "training_pass"]

IDENTITY = "@identity@"  # stands for the hash of the workflow, which is known once its text is
_VALIDATION = "validation"


def finetune_config(plan: Plan, job: Job) -> dict[str, Any]:
    """Model, system, data and pass of a fine-tune."""
    settings = plan.recipe.finetune
    packing = {"packing": True} if settings.packing else {}
    weights = {name: dict(given) for name in ("label_weights", "task_weights") if (given := getattr(settings, name))}
    turns = {"train_on": settings.train_on} if settings.train_on != "answer" else {}
    watched = {"monitor": settings.monitor.model_dump()} if settings.monitor is not None else {}
    pairs = {"pairs": True} if METHODS[settings.method].pairs else {}
    component = "olivepress_pairs" if pairs else "olivepress_supervised"
    data = [data_config(plan, "train", "train", component, **packing, **turns, **weights, **watched)]
    evaluation = _evaluation(plan)
    if evaluation is not None:
        chosen = _validation(plan, evaluation)
        data.append(data_config(plan, _VALIDATION, "validation", "olivepress_validation", **chosen, **turns, **pairs))
    return {
        "input_model": hf_model(plan, plan.model.path),
        "systems": system("cpu", CPU.name),
        "data_configs": data,
        "passes": {settings.method: _training(plan, job)},
    }


def _evaluation(plan: Plan) -> Evaluation | None:
    splits = plan.dataset.splits
    return evaluation_of(
        plan.recipe.finetune, train_rows=len(splits["train"]), validation_rows=len(splits["validation"])
    )


def _validation(plan: Plan, evaluation: Evaluation) -> dict[str, Any]:
    """The rows, and the fields of ``Selection``: how the checkpoint that ships is chosen."""
    settings = plan.recipe.finetune
    metric, stopping = settings.checkpoint_metric, settings.early_stopping
    selection: dict[str, Any] = {"keep": settings.keep, "metric": metric, "greater": higher_is_better(metric)}
    if stopping is not None:
        selection |= {"patience": stopping.patience, "min_delta": stopping.min_delta}
    answers = {"answers": settings.eval_answers} if settings.eval_answers else {}
    return {"max_rows": evaluation.rows, **answers, "selection": selection}


def training_pass(settings: Finetune) -> str:
    """The type of the pass that trains: Olive's, or one of ours."""
    kind = METHODS[settings.method].olive_pass
    method = METHODS[settings.method]
    return f"Extended{kind}" if method.adapter and not method.pairs and _extensions(settings) else kind


def _extensions(settings: Finetune) -> dict[str, Any]:
    """What the trainer of Olive's passes has no place for."""
    extensions: dict[str, Any] = {}
    if METHODS[settings.method].pairs:
        extensions |= {"objective": settings.method, "beta": settings.beta}
    if settings.start_from is not None:
        extensions["start_from"] = start_adapter(settings.start_from).record
    if settings.loss is not None:
        extensions["loss"] = {"module": settings.loss.module, "sha256": loss_sha256(settings.loss)}
    if settings.draws_by_weight:
        extensions["weighted"] = True
    if settings.gpus > 1:
        extensions["processes"] = settings.gpus
    return extensions


def _training(plan: Plan, job: Job) -> dict[str, Any]:
    """The pass that trains, without the keys that it would ignore."""
    settings = plan.recipe.finetune
    return {
        "type": training_pass(settings),
        **(_adapter(plan) if METHODS[settings.method].adapter else {"freeze_layers": settings.freeze_layers}),
        "torch_dtype": settings.torch_dtype,
        "train_data_config": "train",
        **({"eval_data_config": _VALIDATION} if _evaluation(plan) else {}),
        **_extensions(settings),
        "training_args": _in_names_of(environment(plan.environment_of(job)).pins, _training_args(plan, job)),
    }


def _adapter(plan: Plan) -> dict[str, Any]:
    """The shape of the adapter, and the quantized base that it is trained on."""
    settings = plan.recipe.finetune
    method = METHODS[settings.method]
    if settings.start_from is not None:
        return {}
    chosen = {
        "lora_dropout": settings.lora_dropout,
        "target_modules": list(settings.target_modules or plan.model.family.target_modules),
    }
    quantized = four_bit_base(settings.method, settings.torch_dtype)
    return {
        "r": settings.r,
        "alpha": settings.alpha,
        **{key: value for key, value in chosen.items() if key not in method.ignores},
        **(quantized.model_dump() if quantized else {}),
    }


def _training_args(plan: Plan, job: Job) -> dict[str, Any]:
    settings = plan.recipe.finetune
    length = {"max_steps": settings.max_steps} if settings.max_steps else {"num_train_epochs": settings.epochs}
    tensorboard = tensorboard_dir(plan.recipe.name).as_posix()
    logging = {"logging_dir": tensorboard} if "tensorboard" in settings.report_to else {}
    return {
        "seed": settings.seed,
        "data_seed": settings.seed,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": settings.lr_scheduler_type,
        "warmup_ratio": settings.warmup_ratio,
        "weight_decay": settings.weight_decay,
        "max_grad_norm": settings.max_grad_norm,
        **length,
        "per_device_train_batch_size": settings.batch_size // settings.gpus,
        "gradient_accumulation_steps": settings.gradient_accumulation_steps,
        "gradient_checkpointing": settings.gradient_checkpointing,
        **_recomputed(settings),
        "group_by_length": settings.groups_by_length,
        **({"label_smoothing_factor": settings.label_smoothing} if settings.label_smoothing else {}),
        **({"neftune_noise_alpha": settings.neftune_noise_alpha} if settings.neftune_noise_alpha else {}),
        "optim": settings.optim,
        "logging_steps": 1,
        # By default a NaN loss is logged as the mean of the others.
        "logging_nan_inf_filter": False,
        "save_strategy": "steps",
        "save_steps": settings.save_steps,
        **_evaluation_args(plan),
        # With packing the mask numbers the rows of a sequence: its sum counts nothing.
        "include_num_input_tokens_seen": "all" if settings.packing else "non_padding",
        "disable_tqdm": True,
        **logging,
        # The trainer's own callback for MLflow ends a fine-tune when the server is down; olivepress sends the curves.
        "report_to": ["olivepress", *(name for name in settings.report_to if name != "mlflow")],
        "output_dir": training_dir(plan.recipe.name, f"{job.id}-{IDENTITY}").as_posix(),
    }


def _in_names_of(pins: Mapping[str, str], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The training arguments as the pinned transformers calls them: Olive drops a name that it does not know.

    transformers 5 takes a share of the steps in ``warmup_steps``, and the way rows are drawn in
    ``train_sampling_strategy``; where TensorBoard's files go is no argument any more (``olive_plugin.tensorboard``).
    """
    if int(pins["transformers"].partition(".")[0]) < 5:
        return dict(arguments)
    drawn = "group_by_length" if arguments["group_by_length"] else "random"
    renamed: dict[str, tuple[str, Any]] = {
        "warmup_ratio": ("warmup_steps", arguments["warmup_ratio"]),
        "group_by_length": ("train_sampling_strategy", drawn),
    }
    kept = {name: value for name, value in arguments.items() if name != "logging_dir"}
    return dict(renamed.get(name, (name, value)) for name, value in kept.items())


def _recomputed(settings: Finetune) -> dict[str, Any]:
    """Frozen embeddings pass no gradient on, which the older way of checkpointing needs; Olive's passes see to it. Of
    several processes it makes each gradient ready twice (huggingface/peft#313)."""
    newer = settings.gpus > 1 or not METHODS[settings.method].adapter
    if not newer or not settings.gradient_checkpointing:
        return {}
    return {"gradient_checkpointing_kwargs": {"use_reentrant": False}}


def _evaluation_args(plan: Plan) -> dict[str, Any]:
    """When the trainer evaluates, and which checkpoints it keeps: the last, and the best until now."""
    settings, evaluation = plan.recipe.finetune, _evaluation(plan)
    if evaluation is None:
        return {"save_total_limit": 1}
    metric = settings.checkpoint_metric
    best = {"metric_for_best_model": metric, "greater_is_better": higher_is_better(metric), "save_total_limit": 2}
    return {
        "eval_strategy": "steps",
        "eval_steps": evaluation.steps,
        # A row at a time: the mean does not depend on which rows stand together in a batch.
        "per_device_eval_batch_size": 1,
        **(best if settings.keep == "best" else {"save_total_limit": 1}),
    }
