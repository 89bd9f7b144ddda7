"""Olive's Gptq pass with scales by search and its columns in the order of their activations: see ``rounding``.

Olive's own takes the scale of a group from its largest weight, and the order of activations only with one scale a row.
"""

from __future__ import annotations

from typing import Any

import torch
from olive.passes.pytorch.gptq import Gptq

from olivepress.workflow.olive_plugin.passes.rounding import gptq, search_scales

__all__ = ["CalibratedGptq"]


class CalibratedGptq(Gptq):
    """The parameters are those of Gptq; ``desc_act`` is always on, for every group size."""

    @staticmethod
    def process_module(
        module: torch.nn.Module, blocksize: int = 128, percdamp: float = 0.01, actorder: bool | None = None
    ) -> None:
        """Replace the weight of a linear layer by its rounded values, and note their scales and zero points."""
        info: Any = module.quant_info
        if info.data is None:
            raise ValueError(f"no calibration row reached {module}")
        hessian = info.data["H"]
        weight: Any = module.weight
        values = weight.data.float().to(hessian.device)
        quantizer = info.quantizer
        group_size = quantizer.group_size if quantizer.group_size > 0 else values.shape[1]
        scales, zero_points = search_scales(
            values, hessian.diag(), bits=quantizer.bits, group_size=group_size, symmetric=quantizer.symmetric
        )
        rounded = gptq(
            values, hessian, scales, zero_points, bits=quantizer.bits, group_size=group_size, damping=percdamp
        )
        weight.data = rounded.to(weight.device, weight.dtype)
        info.scales, info.zero_points, info.data = scales.cpu(), zero_points.cpu(), None
