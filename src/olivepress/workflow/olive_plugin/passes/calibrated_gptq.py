"""Olive's Gptq pass with scales by search and its columns in the order of their activations: see ``rounding``.

Olive's own takes the scale of a group from its largest weight, and the order of activations only with one scale a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from olive.common.hf.wrapper import LayerWrapper, ModelWrapper
from olive.passes.pass_config import PassConfigParam
from olive.passes.pytorch.gptq import Gptq
from transformers import AutoModelForCausalLM

from olivepress.core.errors import JobError
from olivepress.runtimes.float32_products import all_in_float32
from olivepress.workflow.olive_plugin.passes.rounding import gptq, search_scales

__all__ = ["CalibratedGptq", "projections"]

_PARTS = {"attention_inputs": LayerWrapper.get_attention_inputs, "mlp_outputs": LayerWrapper.get_mlp_outputs}


class CalibratedGptq(Gptq):
    """The parameters are those of Gptq, and ``eight_bits``; ``desc_act`` is always on, for every group size."""

    @classmethod
    def _default_config(cls, accelerator_spec: Any) -> dict[str, PassConfigParam]:
        eight_bits = PassConfigParam(
            type_=list[str],
            default_value=None,
            description=f"Projections that are rounded to 8 bits in every layer, of: {', '.join(_PARTS)}.",
        )
        return {**super()._default_config(accelerator_spec), "eight_bits": eight_bits}

    @classmethod
    def validate_config(cls, config: Any, accelerator_spec: Any) -> bool:
        """False for an unknown part as well, so that none is ignored."""
        known = set(config.eight_bits or ()) <= _PARTS.keys()
        return known and super().validate_config(config, accelerator_spec)

    def _run_for_config(self, model: Any, config: Any, output_model_path: str) -> Any:
        if config.eight_bits:
            with torch.device("meta"):  # the structure, without the weights
                structure = AutoModelForCausalLM.from_config(model.get_hf_model_config(), trust_remote_code=False)
            names = projections(ModelWrapper.from_model(structure), config.eight_bits)
            overrides = {name: {"bits": 8} for name in names}
            config = config.model_copy(update={"overrides": overrides | (config.overrides or {})})
        with all_in_float32():  # the calibration rows
            return super()._run_for_config(model, config, output_model_path)

    @staticmethod
    def process_module(
        module: torch.nn.Module, blocksize: int = 128, percdamp: float = 0.01, actorder: bool | None = None
    ) -> None:
        """Replace the weight of a linear layer by its rounded values, and note their scales and zero points.

        JobError when what the calibration rows gave it is not finite.
        """
        info: Any = module.quant_info
        if info.data is None:
            raise ValueError(f"no calibration row reached {module}")
        hessian = info.data["H"]
        if not torch.isfinite(hessian).all():
            raise JobError(
                f"{module}: its inputs on the calibration rows are not finite, or too large to be squared",
                next_step="set finetune.torch_dtype: float32 in the recipe, or take a target without calibration",
            )
        weight: Any = module.weight
        values = weight.data.float().to(hessian.device)
        quantizer = info.quantizer
        group_size = quantizer.group_size if quantizer.group_size > 0 else values.shape[1]
        scales, zero_points = search_scales(
            values, _importance(hessian), bits=quantizer.bits, group_size=group_size, symmetric=quantizer.symmetric
        )
        scales = _as_stored(scales, weight.dtype)
        rounded = gptq(
            values, hessian, scales, zero_points, bits=quantizer.bits, group_size=group_size, damping=percdamp
        )
        weight.data = rounded.to(weight.device, weight.dtype)
        info.scales, info.zero_points, info.data = scales.cpu(), zero_points.cpu(), None


def projections(wrapper: ModelWrapper, parts: Sequence[str]) -> Iterator[str]:
    """The names of these projections in every layer of a model."""
    prefix = wrapper.get_layers()[1]
    for number, layer in enumerate(wrapper.get_layer_wrappers()):
        for part in parts:
            yield from (f"{prefix}.{number}.{name}" for name in _PARTS[part](layer, return_name=True)[1])


def _importance(hessian: torch.Tensor) -> torch.Tensor:
    """Mean square of each input; an input that no calibration row used counts as much as the mean of all."""
    squares = hessian.diag()
    return torch.where(squares == 0, squares.mean(), squares)


def _as_stored(scales: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Olive keeps scales in the type of the weight: what is rounded by is what is multiplied with, and never zero."""
    stored, kind = scales.to(dtype).to(scales.dtype), torch.finfo(dtype)
    return torch.where(stored == 0, kind.smallest_normal * kind.eps, stored)
