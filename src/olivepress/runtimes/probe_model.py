"""ONNX models of some 500 bytes, shipped as files: two that show whether a provider computes, one to open a tokenizer
with, because onnxruntime-genai opens a tokenizer only together with a model.

- ``fp32.onnx``: ``x[4, 8] @ w[8, 8] + b``, MatMul and Add.
- ``quantized.onnx``: ``x @ w``, a MatMul with 16-bit activations and 8-bit weights between QuantizeLinear and
  DequantizeLinear, as an NPU needs it.
- ``decoder.onnx``: ``input_ids`` [1, 1] to ``logits``, which are the ids again.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

__all__ = ["TOLERANCE", "ProbeModel", "decoder_model", "fp32_model", "quantized_model"]

TOLERANCE = 0.02  # of values up to 4: fp16 and the quantized model stay below 0.005, another model would not
ROWS, SIZE = 4, 8


@dataclass(frozen=True)
class ProbeModel:
    """A serialized model with the input ``x`` and the output ``y``, and what numpy computes as ``y`` for ``x``."""

    data: bytes
    x: Any
    y: Any


def fp32_model() -> ProbeModel:
    """MatMul and Add in float32; its bias is twice the first row of its weights."""
    x, w = _arrays()
    return ProbeModel(_read("fp32.onnx"), x, x @ w + w[0] * 2)


def quantized_model() -> ProbeModel:
    """MatMul of quantized activations and weights; its weights are those of ``fp32_model`` rounded to 8 bits."""
    x, w = _arrays()
    return ProbeModel(_read("quantized.onnx"), x, x @ w)


def decoder_model() -> bytes:
    """A decoder that can be opened and computes nothing."""
    return _read("decoder.onnx")


def _arrays() -> tuple[np.ndarray, np.ndarray]:
    import numpy as np

    x = np.arange(ROWS * SIZE, dtype=np.float32).reshape(ROWS, SIZE) / 16 - 1
    w = np.arange(SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE) / 64 - 0.5
    return x, w


def _read(name: str) -> bytes:
    return resources.files("olivepress.runtimes").joinpath("probe_models", name).read_bytes()
