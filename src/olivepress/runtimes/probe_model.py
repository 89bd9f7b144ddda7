"""ONNX models of some 400 bytes: two that a provider has to run to be believed, one in fp32, one quantized (QDQ), and
one around a tokenizer, which onnxruntime-genai opens with a model only.

The first two are ``x[4, 8] @ W[8, 8]``, the first with a bias. Written field by field (onnx/onnx.proto): a device has
no ``onnx`` package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

__all__ = ["TOLERANCE", "ProbeModel", "decoder_model", "fp32_model", "quantized_model"]

TOLERANCE = 0.02  # of values up to 4: fp16 and the quantized model stay below 0.005, another model would not
ROWS, SIZE = 4, 8
FLOAT, UINT8, UINT16, INT64 = 1, 2, 4, 7  # TensorProto.DataType


@dataclass(frozen=True)
class ProbeModel:
    """A serialized model with the input ``x`` and the output ``y``, and what numpy says ``y`` is for ``x``."""

    data: bytes
    x: Any
    y: Any


def fp32_model() -> ProbeModel:
    """MatMul and Add."""
    x, w = _arrays()
    bias = w[0] * 2
    nodes = [_node("MatMul", ["x", "w"], "m"), _node("Add", ["m", "b"], "y")]
    tensors = [_tensor("w", w, FLOAT), _tensor("b", bias, FLOAT)]
    return ProbeModel(_model(nodes, tensors, opset=17, ir_version=8), x, x @ w + bias)


def quantized_model() -> ProbeModel:
    """MatMul with 16-bit activations and 8-bit weights between Quantize and DequantizeLinear, as an NPU wants it."""
    import numpy as np

    x, w = _arrays()
    nodes = [
        _node("QuantizeLinear", ["x", "x_scale", "middle"], "x_q"),
        _node("DequantizeLinear", ["x_q", "x_scale", "middle"], "x_d"),
        _node("DequantizeLinear", ["w_q", "w_scale", "w_zero"], "w_d"),
        _node("MatMul", ["x_d", "w_d"], "m"),
        _node("QuantizeLinear", ["m", "y_scale", "middle"], "y_q"),
        _node("DequantizeLinear", ["y_q", "y_scale", "middle"], "y"),
    ]
    tensors = [
        _tensor("x_scale", np.array(2 / 65535, np.float32), FLOAT),
        _tensor("y_scale", np.array(8 / 65535, np.float32), FLOAT),
        _tensor("middle", np.array(32768, np.uint16), UINT16),
        _tensor("w_q", np.clip(np.round(w * 255) + 128, 0, 255).astype(np.uint8), UINT8),
        _tensor("w_scale", np.array(1 / 255, np.float32), FLOAT),
        _tensor("w_zero", np.array(128, np.uint8), UINT8),
    ]
    return ProbeModel(_model(nodes, tensors, opset=21, ir_version=10), x, x @ w)


def decoder_model() -> bytes:
    """``input_ids`` [1, 1] to ``logits``, which are the ids again: something to open, nothing to ask."""
    names = [_bytes(1, _node("Identity", ["input_ids"], "logits")), _bytes(2, b"decoder")]
    ends = [_bytes(field, _value(name, INT64, (1, 1))) for field, name in ((11, "input_ids"), (12, "logits"))]
    return _int(1, 8) + _bytes(7, b"".join([*names, *ends])) + _bytes(8, _int(2, 17))


def _arrays() -> tuple[Any, Any]:
    import numpy as np

    x = np.arange(ROWS * SIZE, dtype=np.float32).reshape(ROWS, SIZE) / 16 - 1
    w = np.arange(SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE) / 64 - 0.5
    return x, w


def _model(nodes: list[bytes], tensors: list[bytes], *, opset: int, ir_version: int) -> bytes:
    graph = b"".join(_bytes(1, node) for node in nodes) + _bytes(2, b"probe")
    graph += b"".join(_bytes(5, tensor) for tensor in tensors)
    graph += _bytes(11, _value("x")) + _bytes(12, _value("y"))
    return _int(1, ir_version) + _bytes(7, graph) + _bytes(8, _int(2, opset))


def _node(op_type: str, inputs: list[str], output: str) -> bytes:
    names = b"".join(_bytes(1, name.encode()) for name in inputs)
    return names + _bytes(2, output.encode()) + _bytes(3, f"{op_type}_{output}".encode()) + _bytes(4, op_type.encode())


def _tensor(name: str, array: Any, data_type: int) -> bytes:
    dims = b"".join(_int(1, dim) for dim in array.shape)
    little = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return dims + _int(2, data_type) + _bytes(8, name.encode()) + _bytes(9, little)


def _value(name: str, data_type: int = FLOAT, dims: tuple[int, ...] = (ROWS, SIZE)) -> bytes:
    """ValueInfoProto of a tensor."""
    shape = b"".join(_bytes(1, _int(1, dim)) for dim in dims)
    tensor_type = _int(1, data_type) + _bytes(2, shape)
    return _bytes(1, name.encode()) + _bytes(2, _bytes(1, tensor_type))


def _int(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _bytes(number: int, body: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(body)) + body


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*out, value))
