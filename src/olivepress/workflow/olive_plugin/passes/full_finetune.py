"""Fine-tuning of a model's own weights: no adapter, and nothing to merge."""

from __future__ import annotations

from typing import Any

import torch
from olive.common.hf.wrapper import ModelWrapper
from olive.passes.pass_config import PassConfigParam
from olive.passes.pytorch.common import inherit_hf_from_hf
from olive.passes.pytorch.lora import HFTrainingArguments, LoRA

from olivepress.core.child.messages import reports_errors
from olivepress.core.errors import JobError
from olivepress.workflow.olive_plugin.own_loss import own_loss
from olivepress.workflow.olive_plugin.passes.trainer import OPTIONS, train
from olivepress.workflow.olive_plugin.ranks import in_processes, is_first

__all__ = ["FullFinetune", "freeze_first"]

_OF_LORA = (
    "torch_dtype", "allow_tf32", "train_data_config", "eval_data_config", "training_args"
)  # fmt: skip
_NEEDS_CUDA = ("8bit", "paged")  # in the name of an optimizer


class FullFinetune(LoRA):
    """The parameters of LoRA's that are not of an adapter, and ``freeze_layers``.

    Weights, gradients and the moments of the optimizer are float32; with bfloat16 or float16 the forward and the
    backward pass are computed in it (mixed precision).
    """

    @classmethod
    def _default_config(cls, accelerator_spec: Any) -> dict[str, PassConfigParam]:
        inherited = super()._default_config(accelerator_spec)
        frozen = PassConfigParam(
            type_=int,
            default_value=0,
            description="Decoder layers from the first on that are not trained, and then the embeddings neither.",
        )
        return {**{name: inherited[name] for name in _OF_LORA}, "freeze_layers": frozen, **OPTIONS}

    @reports_errors
    def _run_for_config(self, model: Any, config: Any, output_model_path: str) -> Any:
        config.training_args = config.training_args or HFTrainingArguments()
        self.check_dependencies(config)
        check_hardware(config.torch_dtype, config.training_args.extra_args.get("optim", ""))
        own_loss(config.loss, int(model.get_hf_model_config().vocab_size))  # before the model is loaded
        trained = in_processes(self, model, config, output_model_path)
        if trained is not None:
            return trained
        pytorch_model = self._load(model)
        freeze_first(pytorch_model, config.freeze_layers)
        if torch.cuda.device_count() > 1:  # it stays on the first, where the trainer would copy it to all
            pytorch_model.model_parallel = pytorch_model.is_parallelizable = True
        pytorch_model.accepts_loss_kwargs = False  # as for adapters: the mean over the tokens of a batch
        if not torch.cuda.is_available():
            config.training_args.extra_args["use_cpu"] = True  # else bfloat16 is looked for on a GPU
        if config.torch_dtype == "bfloat16":
            config.training_args.extra_args["bf16"] = True
        use_cache = pytorch_model.config.use_cache
        train(type(self), pytorch_model, model.get_hf_tokenizer(), config)
        pytorch_model.config.use_cache = use_cache  # the trainer of transformers 5 leaves it off
        if not is_first():
            return model
        pytorch_model.save_pretrained(output_model_path)
        model.save_metadata(output_model_path)
        return inherit_hf_from_hf(model, output_model_path, adapter_path=None)

    def _load(self, model: Any) -> Any:
        from olive.passes.pytorch.train_utils import load_hf_base_model

        device_map = {"": torch.cuda.current_device()} if torch.cuda.is_available() else None
        return load_hf_base_model(model, torch_dtype=torch.float32, device_map=device_map)


def check_hardware(torch_dtype: str, optimizer: str) -> None:
    """JobError for a number format or an optimizer that this machine does not have."""
    if torch.cuda.is_available():
        return
    if torch_dtype == "float16":
        raise JobError("torch_dtype float16 needs a CUDA GPU", next_step="set finetune.torch_dtype: bfloat16")
    if any(word in optimizer for word in _NEEDS_CUDA):
        raise JobError(f"optim {optimizer} needs a CUDA GPU", next_step="set finetune.optim: adamw_torch")


def freeze_first(model: Any, layers: int) -> None:
    """Leave the embeddings and the first ``layers`` decoder layers as they are; 0 trains everything.

    A head that is tied to the embeddings stays with them. JobError when no layer would be left.
    """
    if layers == 0:
        return
    decoder = ModelWrapper.from_model(model).get_layers(return_name=False)
    if layers >= len(decoder):
        raise JobError(
            f"freeze_layers is {layers}, expected less than the {len(decoder)} layers of the model",
            next_step="change finetune.freeze_layers",
        )
    for module in (model.get_input_embeddings(), *decoder[:layers]):
        for parameter in module.parameters():
            parameter.requires_grad = False
