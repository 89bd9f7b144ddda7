"""Olive's Gptq pass with scales by search and its columns in the order of their activations: see ``rounding``.

Olive's own takes the scale of a group from its largest weight, and the order of activations only with one scale a row.
"""

from __future__ import annotations

from typing import Any

import torch
from olive.passes.pytorch.gptq import Gptq

from olivepress.core.errors import JobError
from olivepress.workflow.olive_plugin.passes.rounding import gptq, search_scales

__all__ = ["CalibratedGptq"]


class CalibratedGptq(Gptq):
    """The parameters are those of Gptq; ``desc_act`` is always on, for every group size."""

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


def _importance(hessian: torch.Tensor) -> torch.Tensor:
    """Mean square of each input; an input that no calibration row used counts as much as the mean of all."""
    squares = hessian.diag()
    return torch.where(squares == 0, squares.mean(), squares)


def _as_stored(scales: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """Olive keeps scales in the type of the weight: what is rounded by is what is multiplied with, and never zero."""
    stored, kind = scales.to(dtype).to(scales.dtype), torch.finfo(dtype)
    return torch.where(stored == 0, kind.smallest_normal * kind.eps, stored)
