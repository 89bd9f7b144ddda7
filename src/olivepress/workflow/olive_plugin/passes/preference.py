"""Preference tuning of a LoRA: DPO and ORPO, by TRL's trainers, on a new adapter or on a finished one."""

from __future__ import annotations

import dataclasses
import os
from copy import deepcopy
from pathlib import Path
from typing import Any

from olive.passes.pass_config import PassConfigParam
from olive.passes.pytorch.lora import HFTrainingArguments, LoRA

from olivepress.adapters.peft_adapter import WEIGHTS
from olivepress.adapters.start_adapter import adapter_sha256
from olivepress.core.child.messages import reports_errors
from olivepress.core.errors import JobError, SetupError
from olivepress.workflow.olive_plugin.passes.trainer import checkpoint_of, load_rows, tf32_as

__all__ = ["INSTALL", "PreferenceTuning"]

INSTALL = "pip install 'olivepress[build]'"
_OF_LORA = (
    "r", "alpha", "lora_dropout", "target_modules", "modules_to_save", "torch_dtype", "device_map",
    "ephemeral_gpu_offload", "allow_tf32", "train_data_config", "eval_data_config", "training_args",
)  # fmt: skip


class PreferenceTuning(LoRA):
    """The parameters of LoRA's, and ``objective``, ``beta`` and ``start_from``.

    The data components give ``prompt_ids``, ``chosen_ids`` and ``rejected_ids``. With ``start_from`` that adapter is
    trained further, so that the result is one adapter of the same base; the reference of DPO is the model at the start.
    """

    @classmethod
    def _default_config(cls, accelerator_spec: Any) -> dict[str, PassConfigParam]:
        inherited = super()._default_config(accelerator_spec)
        own = {
            "objective": PassConfigParam(type_=str, default_value="dpo", description="dpo or orpo."),
            "beta": PassConfigParam(
                type_=float,
                default_value=0.1,
                description="DPO: more stays closer to the model at the start. ORPO: the weight of the pairs.",
            ),
            "start_from": PassConfigParam(
                type_=dict,
                default_value=None,
                description="path of an adapter's folder and sha256 of its files. None: a new adapter.",
            ),
        }
        undropped = PassConfigParam(type_=float, default_value=0.0, description="Not used: see TRL's disable_dropout.")
        of_lora = {name: param for name, param in inherited.items() if name in _OF_LORA}
        return {**of_lora, "lora_dropout": undropped, **own}

    @classmethod
    def validate_config(cls, config: Any, accelerator_spec: Any) -> bool:
        """False for an unknown objective as well, so that none is ignored."""
        known = config.objective in ("dpo", "orpo")
        return known and super().validate_config(config, accelerator_spec)

    @reports_errors
    def _run_for_config(self, model: Any, config: Any, output_model_path: str) -> Any:
        _need_trl()
        start = _checked_start(config.start_from)
        config.training_args = config.training_args or HFTrainingArguments()
        self.check_dependencies(config)
        pytorch_model = self.load_base_pytorch_model(model, config)
        try:
            pytorch_model = self.enable_lora(pytorch_model, config, model.task, adapter_path=start)
        except (RuntimeError, ValueError) as error:
            if start is None:
                raise
            raise _unfit(start, str(error).splitlines()[0][:160]) from error
        if start is not None:
            _check_loaded(pytorch_model, start)
        _train(type(self), pytorch_model, model.get_hf_tokenizer(), config)
        adapter = Path(output_model_path) / "adapter"
        adapter.mkdir(parents=True, exist_ok=True)
        pytorch_model.save_pretrained(adapter, save_embedding_layers=False)
        output = deepcopy(model)
        output.set_resource("adapter_path", adapter)
        return output


def _need_trl() -> None:
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # its ORPO is not promised to stay as it is; it is pinned
    try:
        import trl  # noqa: F401
    except ImportError as error:
        raise SetupError("preference tuning needs the package trl", next_step=INSTALL) from error


def _checked_start(start: dict[str, str] | None) -> str | None:
    """The folder that the workflow was rendered with. JobError when it holds something else now."""
    if start is None:
        return None
    try:
        same = adapter_sha256(Path(start["path"])) == start["sha256"]
    except OSError as error:
        raise JobError(
            f"start_from {start['path']}: {error.strerror}", next_step="correct finetune.start_from"
        ) from error
    if not same:
        raise JobError(
            f"start_from {start['path']}: was changed since the workflow was rendered", next_step="render again"
        )
    return start["path"]


def _check_loaded(model: Any, start: str) -> None:
    """Raise JobError unless every tensor of the adapter is in the model: peft only warns of those that fit nothing."""
    from peft import get_peft_model_state_dict
    from safetensors import safe_open

    with safe_open(str(Path(start, WEIGHTS)), framework="pt") as file:
        stored = set(file.keys())
    loaded = set(get_peft_model_state_dict(model))
    if stored != loaded:
        only = next(iter(sorted(stored - loaded)), None)
        raise _unfit(start, f"{only} fits nothing" if only else f"it has no {min(loaded - stored)}")


def _unfit(start: str, reason: str) -> JobError:
    message = f"start_from {start}: does not fit the model ({reason})"
    return JobError(message, next_step="start from an adapter of the same model")


def _train(kind: Any, model: Any, tokenizer: Any, config: Any) -> None:
    """Train from the last checkpoint where there is one, as Olive's LoRA does."""
    from olivepress.workflow.olive_plugin.preference_trainers import make_trainer

    arguments = config.training_args
    pairs = load_rows(kind, config)
    checkpoint = checkpoint_of(arguments)
    fields = _fields_of(arguments) | {"beta": config.beta}
    trainer = make_trainer(config.objective, model, tokenizer, fields, pairs=pairs)
    with tf32_as(config.allow_tf32):
        trainer.train(resume_from_checkpoint=checkpoint)


def _fields_of(arguments: Any) -> dict[str, Any]:
    """What ``create_training_args`` gives transformers' own class."""
    made: dict[str, Any] = arguments.model_dump()
    extra: dict[str, Any] = made.pop("extra_args")
    if not made["deepspeed"]:
        made.pop("deepspeed")
    names = {field.name for field in dataclasses.fields(type(arguments.create_training_args())) if field.init}
    return {name: value for name, value in made.items() if name in names and value is not None} | extra
