"""The rates of this machine that estimates are made from, measured in a process of their own within seconds."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from olivepress.core.pace import Clock
from olivepress.core.progress import Progress
from olivepress.core.yaml_document import Record
from olivepress.report.counters import Watch

__all__ = ["Measured", "ProbeSpec", "probe"]

# A decoder as wide as SmolLM2-135M, two layers, a batch of 8 rows of 64 tokens.
_HIDDEN, _INNER, _HEADS, _LAYERS, _ROWS, _TOKENS = 576, 1536, 9, 2, 8, 64
_GROUP, _IR_VERSION = 32, 10  # weights of one scale; of ONNX, that every ONNX Runtime of today reads
BUSY = 0.25  # share of all cores' time that other programs take: so much disturbs what is measured
_FILE_BYTES, _BLOCK = 1 << 26, 1 << 20


class ProbeSpec(Record):
    """``folder`` gets a file of 64 MB, which is removed; ``seconds`` is what each product may be repeated for."""

    folder: str
    seconds: float = 1.0


class Measured(Record):
    """Operations a second that a decoder reaches in PyTorch, forward and back through frozen weights, and that products
    with weights of 4 and 8 bits reach in ONNX Runtime on a prompt, where it is installed with onnx; processor seconds
    that importing PyTorch takes; bytes a second of a file that is written to the disk, read and hashed.

    ``other_load`` is the share of all cores' time that other programs took meanwhile.
    """

    float32_flops: float
    bfloat16_flops: float
    int4_flops: float | None = None
    int8_flops: float | None = None
    import_seconds: float
    file_bytes_per_s: float
    other_load: float


def probe(spec: ProbeSpec, progress: Progress) -> Measured:
    """Measure them, with as many threads as PyTorch takes in every process of ours."""
    watch, began = Watch(), time.process_time()
    import torch

    imported = time.process_time() - began
    progress(1, 5)
    rates = {dtype: _flops(dtype, spec.seconds, time.perf_counter) for dtype in (torch.bfloat16, torch.float32)}
    progress(2, 5)
    files = _file_rate(Path(spec.folder))
    progress(3, 5)
    quantized = {bits: _quantized_flops(bits, spec.seconds, torch.get_num_threads()) for bits in (4, 8)}
    progress(4, 5)
    load = watch.conditions().other_load or 0.0
    if load > BUSY:
        rates = {dtype: max(rate, _flops_alone(dtype, spec.seconds)) for dtype, rate in rates.items()}
    return Measured(
        float32_flops=rates[torch.float32],
        bfloat16_flops=rates[torch.bfloat16],
        int4_flops=quantized[4],
        int8_flops=quantized[8],
        import_seconds=imported,
        file_bytes_per_s=files,
        other_load=load,
    )


def _flops_alone(dtype: Any, seconds: float) -> float:
    """For a busy machine, where threads wait for a processor and for each other: the rate of one thread in the time
    that it had a processor, times the threads."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return threads * _flops(dtype, seconds, time.process_time)
    finally:
        torch.set_num_threads(threads)


def _flops(dtype: Any, seconds: float, clock: Clock) -> float:
    """Of the best of a few passes: what disturbs one makes it slower, never faster."""
    import torch

    made = torch.Generator().manual_seed(0)
    shapes = [(_HIDDEN, _HIDDEN)] * 4 + [(_HIDDEN, _INNER), (_HIDDEN, _INNER), (_INNER, _HIDDEN)]
    layers = [[torch.randn(shape, generator=made).mul(0.02).to(dtype) for shape in shapes] for _ in range(_LAYERS)]
    inputs = torch.randn(_ROWS, _TOKENS, _HIDDEN, generator=made).to(dtype).requires_grad_()
    operations = 4.0 * _ROWS * _TOKENS * sum(weight.numel() for layer in layers for weight in layer)

    def forward_and_back() -> None:
        hidden = inputs
        for layer in layers:
            hidden = _layer(hidden, layer)
        hidden.float().sum().backward()  # type: ignore[no-untyped-call]

    return operations / _best(forward_and_back, seconds, clock)


def _best(step: Callable[[], object], seconds: float, clock: Clock) -> float:
    """Seconds of the best of at most eight passes, which end ``seconds`` after the first began."""
    best, began = float("inf"), time.perf_counter()
    for _ in range(8):
        at = clock()
        step()
        best = min(best, clock() - at)
        if time.perf_counter() - began > seconds:
            break
    return best


def _layer(hidden: Any, weights: Sequence[Any]) -> Any:
    """Attention and MLP of a Llama, [rows, tokens, width] → the same."""
    from torch.nn import functional

    query, key, value, output, gate, up, down = weights

    def heads(states: Any) -> Any:
        return states.view(_ROWS, _TOKENS, _HEADS, _HIDDEN // _HEADS).transpose(1, 2)

    normed = functional.rms_norm(hidden, (_HIDDEN,))
    attended = functional.scaled_dot_product_attention(
        heads(normed @ query), heads(normed @ key), heads(normed @ value), is_causal=True
    )
    hidden = hidden + attended.transpose(1, 2).reshape(_ROWS, _TOKENS, _HIDDEN) @ output
    normed = functional.rms_norm(hidden, (_HIDDEN,))
    return hidden + (functional.silu(normed @ gate) * (normed @ up)) @ down


def _quantized_flops(bits: int, seconds: float, threads: int) -> float | None:
    """Of one thread in the time that it had a processor, times the threads; None without ONNX Runtime or onnx."""
    if find_spec("onnxruntime") is None or find_spec("onnx") is None:
        return None
    import numpy as np
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(_quantized_mlp(bits), options, providers=["CPUExecutionProvider"])
    inputs = np.random.default_rng(0).standard_normal((_TOKENS, _HIDDEN), dtype=np.float32)
    best = _best(lambda: session.run(None, {"inputs": inputs}), seconds / 2, time.process_time)
    return threads * 2.0 * _TOKENS * 2 * _HIDDEN * _INNER / max(best, 1e-6)


def _quantized_mlp(bits: int) -> bytes:
    """An ONNX model, [tokens, width] → the same: two products with random weights in groups of 32."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    generator, nodes, weights, name = np.random.default_rng(0), [], [], "inputs"
    for inputs, outputs in ((_HIDDEN, _INNER), (_INNER, _HIDDEN)):
        packed = generator.integers(0, 256, (outputs, inputs // _GROUP, _GROUP * bits // 8), dtype=np.uint8)
        scales = np.full(outputs * inputs // _GROUP, 0.01, dtype=np.float32)
        tensors = {f"weight{outputs}": packed, f"scale{outputs}": scales}
        weights += [numpy_helper.from_array(each, tensor) for tensor, each in tensors.items()]
        product = helper.make_node(
            "MatMulNBits", [name, *tensors], [f"product{outputs}"], domain="com.microsoft",
            K=inputs, N=outputs, bits=bits, block_size=_GROUP, accuracy_level=4,
        )  # fmt: skip
        nodes.append(product)
        name = f"product{outputs}"
    ends = [helper.make_tensor_value_info(each, TensorProto.FLOAT, ["tokens", _HIDDEN]) for each in ("inputs", name)]
    domains = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    graph = helper.make_graph(nodes, "probe", ends[:1], ends[1:], weights)
    return bytes(helper.make_model(graph, opset_imports=domains, ir_version=_IR_VERSION).SerializeToString())


def _file_rate(folder: Path) -> float:
    """Bytes a second of a file that is written, forced to the disk, read again and hashed."""
    block = os.urandom(_BLOCK)
    began = time.perf_counter()
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_FILE_BYTES // _BLOCK):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        file.seek(0)
        hashlib.file_digest(file, "sha256")
    return _FILE_BYTES / (time.perf_counter() - began)
