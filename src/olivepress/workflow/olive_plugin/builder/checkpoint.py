"""Reads a checkpoint that Olive's quantizers wrote, for the builder of onnxruntime-genai 0.18.

The builder's own reader (loaders/olive.py) passes over quantized embeddings, splits the zero points of fused
projections at half their rows, and fails on layers that are no attention. Olive keeps, for each module: ``qweight``
(uint8, rows × packed inputs), ``scales`` (rows × groups) and, unless it is symmetric, ``qzeros`` (uint8, rows × packed
groups).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from olivepress.core.errors import JobError

__all__ = ["dequantized", "olive_checkpoint", "split_parts"]

Tensors = Mapping[str, torch.Tensor]
_EMBEDDING, _HEAD = "model.embed_tokens", "lm_head"
_OUTSIDE = {
    _EMBEDDING: "embedding",
    "model.norm": "final_norm",
    "model.embedding_norm": "final_norm",  # of LFM2
    _HEAD: "lm_head",
}
_DENSE = (".linear_attn.in_proj_a", ".linear_attn.in_proj_b")
# Fused projections → their parts: the builder wants each by itself.
_FUSED = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}


def olive_checkpoint(loaders: Any) -> type[Any]:
    """The reader, a subclass of the builder's own; ``loaders`` is the builder's module ``loaders.base``."""

    class OliveCheckpoint(loaders.QuantizedModel):
        """In place of ``loaders.olive.OliveModel``, with the arguments that the builder gives that."""

        embedding: Any
        lm_head: Any
        layers: Any

        def __init__(
            self,
            quant_type: str,
            input_path: str,
            quant_attrs: Mapping[str, Any],
            q_size: int,
            kv_size: int,
            intermediate_size: int,
            num_layers: int,
        ) -> None:
            super().__init__(
                quant_type, input_path, quant_attrs, q_size, kv_size, intermediate_size, num_layers, load_weights=False
            )
            self.layers = [loaders.QuantizedDecoderLayer(number) for number in range(num_layers)]
            config = quant_attrs["config"]
            sizes = {"qkv_proj": (q_size, kv_size, kv_size), "gate_up_proj": (intermediate_size, intermediate_size)}
            for module, tensors in _modules(Path(input_path)).items():
                bits, group_size = _rounding(config, module)
                for name, part in split_parts(module, _readable(module, tensors, bits), sizes):
                    _put(self, name, _holder(loaders, part, bits, group_size), loaders)
            if config.get("tie_word_embeddings") or getattr(self.lm_head, "weight", True) is None:
                self.lm_head = self.embedding
            if hasattr(self.embedding, "qweight"):
                # The builder hands over ``embedding.weight``.
                quantized, self.embedding = self.embedding, loaders.TensorModule()
                self.embedding.weight = quantized

    return OliveCheckpoint


def _modules(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    """Module → its tensors by their last name, of every weight file; without what is computed again."""
    modules: dict[str, dict[str, torch.Tensor]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118  (not a mapping)
                module, _, leaf = name.replace("model.language_model.", "model.").rpartition(".")
                if leaf != "inv_freq":
                    modules.setdefault(module, {})[leaf] = weights.get_tensor(name)
    return modules


def _rounding(config: Mapping[str, Any], module: str) -> tuple[int, int]:
    """(bits, group size) of a module, in the checkpoint's ``quantization_config``."""
    own = (config.get("overrides") or {}).get(module) or {}
    return own.get("bits") or config["bits"], own.get("group_size") or config["group_size"]


def _readable(module: str, tensors: Tensors, bits: int) -> Tensors:
    """The gates of linear attention are handed over unrounded: the builder has no quantized form for them
    (builders/qwen.py of 0.18.0: require_dense_linear_attention_gate)."""
    if module.endswith(_DENSE) and "qweight" in tensors:
        return dequantized(tensors, bits)
    return tensors


def split_parts(module: str, tensors: Tensors, sizes: Mapping[str, tuple[int, ...]]) -> Iterator[tuple[str, Tensors]]:
    """(module, its tensors); of a fused projection each part, by rows: all its tensors have one row an output."""
    parent, _, leaf = module.rpartition(".")
    if leaf not in _FUSED:
        yield module, tensors
        return
    split = {key: torch.split(tensor, list(sizes[leaf])) for key, tensor in tensors.items()}
    for number, name in enumerate(_FUSED[leaf]):
        yield f"{parent}.{name}", {key: parts[number] for key, parts in split.items()}


def dequantized(tensors: Tensors, bits: int) -> Tensors:
    """The weight that a quantized module computes with, float32; a bias stays."""
    scales = tensors["scales"].float()
    values = _unpacked(tensors["qweight"], bits).reshape(*scales.shape, -1)
    if "qzeros" in tensors:
        zero_points = _unpacked(tensors["qzeros"], bits)[:, : scales.shape[1]]
    else:
        zero_points = torch.full_like(scales, 2 ** (bits - 1))
    weight = ((values - zero_points.unsqueeze(-1)) * scales.unsqueeze(-1)).flatten(1)
    return {"weight": weight} | {key: tensor for key, tensor in tensors.items() if key == "bias"}


def _unpacked(packed: torch.Tensor, bits: int) -> torch.Tensor:
    """uint8 [rows, n] → float32 [rows, n × 8 / bits], the low bits first."""
    shifts = torch.arange(0, 8, bits, dtype=torch.uint8)
    numbers: torch.Tensor = (packed.unsqueeze(-1) >> shifts) & (2**bits - 1)
    return numbers.flatten(1).float()


def _holder(loaders: Any, tensors: Tensors, bits: int, group_size: int) -> Any:
    """The tensors in the class that the builder expects, a quantized weight as [rows, groups, bytes of a group]."""
    holder = loaders.QuantizedTensorModule() if "qweight" in tensors else loaders.TensorModule()
    for key, tensor in tensors.items():
        setattr(holder, key, tensor)
    if "qweight" in tensors:
        rows, packed = tensors["qweight"].shape
        holder.bits, holder.group_size = bits, group_size
        holder.out_features, holder.in_features = rows, packed * 8 // bits
        holder.qweight = tensors["qweight"].reshape(rows, holder.in_features // holder.group_size, -1)
    return holder


def _put(model: Any, module: str, holder: Any, loaders: Any) -> None:
    """Set a module where the builder looks for it. Layers after the last one, which predict further tokens, are left
    out; JobError for a name that the builder uses for something else."""
    if module in _OUTSIDE:
        setattr(model, _OUTSIDE[module], holder)
        return
    prefix, _, rest = module.partition(".layers.")
    number, _, path = rest.partition(".")
    if not number.isdecimal():
        raise JobError(f"{module}: a module of the checkpoint that onnxruntime-genai's builder has no place for")
    if int(number) >= len(model.layers) or prefix != "model":
        return
    place, steps = model.layers[int(number)], path.split(".")
    for step in steps[:-1]:
        if not hasattr(place, step):
            setattr(place, step, loaders.TensorModule())
        place = getattr(place, step)
    taken = vars(place).get(steps[-1])
    if taken is not None and not isinstance(taken, loaders.TensorModule | loaders.QuantizedTensorModule):
        raise JobError(f"{module}: onnxruntime-genai's builder has something else of that name, no layer with weights")
    setattr(place, steps[-1], holder)
