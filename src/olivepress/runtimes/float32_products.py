"""Products with bfloat16 weights computed in float32, on processors without instructions for bfloat16.

PyTorch takes five times as long for them there (an EPYC with AVX2, one thread: 5.3 against 29.6 GFLOP/s), and a model
that is kept in bfloat16 for its memory is computed in minutes instead of quarters of an hour. The result is rounded to
bfloat16, as it is where the processor multiplies bfloat16: the sums are of float32 on either.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from olivepress.report.machine import bfloat16_instructions

__all__ = ["all_in_float32", "compute_in_float32", "product"]

_LEAST_ROWS = 16  # of inputs: for fewer, widening the weights takes longer than the product
_PART = 1 << 22  # weights that are widened at a time: 16 MB


def product(inputs: Any, weight: Any, bias: Any = None) -> Any:
    """``inputs`` [..., in] x ``weight`` [out, in] + ``bias`` [out] in float32, a part of the weights at a time, rounded
    to the inputs' type."""
    import torch

    wide, step = inputs.float(), max(1, _PART // weight.shape[1])
    biases = [None] * -(-len(weight) // step) if bias is None else [part.float() for part in bias.split(step)]
    parts = [
        torch.nn.functional.linear(wide, part.float(), offset).to(inputs.dtype)
        for part, offset in zip(weight.split(step), biases, strict=True)
    ]
    return torch.cat(parts, dim=-1)


def compute_in_float32(model: Any) -> None:
    """Let the linear layers of an open model that is in bfloat16 compute so, where the processor calls for it.

    Gradients of the inputs are computed in the same way. Layers whose own weights are trained, and quantized ones, keep
    their way.
    """
    if not bfloat16_instructions():
        for module in model.modules():
            if type(module) is _linear_class():
                module.__class__ = _class_in_float32()


@contextmanager
def all_in_float32() -> Iterator[None]:
    """The same for every model that is computed inside, whoever opens it."""
    linear = _linear_class()
    own = linear.forward
    if not bfloat16_instructions():
        linear.forward = _forward
    try:
        yield
    finally:
        linear.forward = own


def _forward(module: Any, inputs: Any) -> Any:
    import torch

    weight, bias = module.weight, module.bias
    rows = inputs.numel() // max(1, inputs.shape[-1])
    here = inputs.device.type == "cpu" and inputs.dtype == weight.dtype == torch.bfloat16
    if not here or rows < _LEAST_ROWS:
        return torch.nn.functional.linear(inputs, weight, bias)
    if not torch.is_grad_enabled():
        return product(inputs, weight, bias)
    if weight.requires_grad or (bias is not None and bias.requires_grad):
        return torch.nn.functional.linear(inputs, weight, bias)
    return _of_frozen_weights().apply(inputs, weight, bias)


def _back(gradient: Any, weight: Any) -> Any:
    """The gradient of the inputs: ``gradient`` [..., out] x ``weight`` [out, in]."""
    import torch

    step = max(1, _PART // weight.shape[1])
    wide = gradient.reshape(-1, gradient.shape[-1]).float()
    total = torch.zeros(len(wide), weight.shape[1])
    for part, own in zip(weight.split(step), wide.split(step, dim=-1), strict=True):
        total.addmm_(own, part.float())
    return total.to(gradient.dtype).reshape(*gradient.shape[:-1], -1)


@functools.cache
def _of_frozen_weights() -> Any:
    import torch

    class Product(torch.autograd.Function):
        """``product`` with a gradient of the inputs alone; no widened weights are kept for it."""

        @staticmethod
        def forward(ctx: Any, inputs: Any, weight: Any, bias: Any) -> Any:
            ctx.save_for_backward(weight)
            return product(inputs, weight, bias)

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            return _back(gradient, *ctx.saved_tensors), None, None

    return Product


@functools.cache
def _class_in_float32() -> type:
    return type("LinearInFloat32", (_linear_class(),), {"forward": _forward})


def _linear_class() -> Any:
    import torch

    return torch.nn.Linear
