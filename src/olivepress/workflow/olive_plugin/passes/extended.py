"""Olive's passes that train an adapter, with what its trainer has no place for: a loss of one's own, weighted rows,
several processes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from olive.passes.pass_config import PassConfigParam
from olive.passes.pytorch.lora import DoRA, LoHa, LoKr, LoRA, QLoRA

from olivepress.core.child.messages import reports_errors
from olivepress.workflow.olive_plugin.own_loss import own_loss
from olivepress.workflow.olive_plugin.passes.trainer import OPTIONS, train
from olivepress.workflow.olive_plugin.ranks import in_processes, is_first

__all__ = ["ExtendedDoRA", "ExtendedLoHa", "ExtendedLoKr", "ExtendedLoRA", "ExtendedQLoRA"]


class _Extended:
    """Stands before a pass of Olive's: its parameters and ``OPTIONS``, and our trainer in place of its own."""

    @classmethod
    def _default_config(cls, accelerator_spec: Any) -> dict[str, PassConfigParam]:
        return {**super()._default_config(accelerator_spec), **OPTIONS}  # type: ignore[misc]

    @reports_errors
    def _run_for_config(self, model: Any, config: Any, output_model_path: str) -> Any:
        own_loss(config.loss, int(model.get_hf_model_config().vocab_size))  # before the model is loaded
        trained = in_processes(self, model, config, output_model_path)
        if trained is not None:
            return trained
        return super()._run_for_config(model, config, output_model_path)  # type: ignore[misc]

    def train_and_save_new_model(
        self, model: Any, tokenizer: Any, config: Any, output_model: Any, output_model_path: str
    ) -> Any:
        """As Olive's own, but for the trainer."""
        train(type(self), model, tokenizer, config)
        if not is_first():
            return output_model
        adapter = Path(output_model_path) / "adapter"
        adapter.mkdir(parents=True, exist_ok=True)
        model.save_pretrained(adapter, save_embedding_layers=False)
        output_model.set_resource("adapter_path", adapter)
        return output_model


class ExtendedLoRA(_Extended, LoRA):
    """LoRA."""


class ExtendedQLoRA(_Extended, QLoRA):
    """QLoRA."""


class ExtendedDoRA(_Extended, DoRA):
    """DoRA."""


class ExtendedLoHa(_Extended, LoHa):
    """LoHa."""


class ExtendedLoKr(_Extended, LoKr):
    """LoKr."""
