"""What the builder's graph code of onnxruntime-genai 0.18 lacks for weights that Olive's quantizers wrote."""

from __future__ import annotations

from typing import Any

import torch

__all__ = ["complete_builder"]

_DONE = "_olivepress"


def complete_builder(model_class: Any) -> None:
    """Let ``builders.base.Model`` take quantized embeddings and projections without zero points. Once a process."""
    if getattr(model_class, _DONE, False):
        return
    setattr(model_class, _DONE, True)
    model_class.make_embedding_lookup = _with_quantized_embedding(model_class.make_embedding_lookup)
    model_class.make_packed_matmul_int4_class = _with_symmetric_packing(model_class.make_packed_matmul_int4_class)


def _with_quantized_embedding(original: Any) -> Any:
    """0.18 quantizes an embedding only together with a tied 4-bit head (builders/base.py, make_embedding_lookup);
    Olive's quantizers round one by itself, to 8 bits."""

    def make_embedding_lookup(self: Any, embedding: Any, basename: str, lm_head: Any) -> str:
        if not hasattr(embedding, "qweight"):
            output: str = original(self, embedding, basename, lm_head)
            return output
        rows, names = embedding.out_features, "model.embed_tokens."
        self.make_initializer(embedding.qweight.reshape(rows, -1), f"{names}qweight")
        self.make_initializer(embedding.scales.reshape(rows, -1), f"{names}scales", to=self.io_dtype)
        inputs = [f"{names}qweight", self.input_names["input_ids"], f"{names}scales"]
        if embedding.qzeros is not None:
            self.make_initializer(embedding.qzeros.reshape(rows, -1), f"{names}qzeros")
            inputs.append(f"{names}qzeros")
        node = f"{basename}/GatherBlockQuantized"
        self.make_node(
            "GatherBlockQuantized",
            inputs=inputs,
            outputs=[f"{node}/output_0"],
            name=node,
            domain="com.microsoft",
            bits=embedding.bits,
            block_size=embedding.group_size,
            gather_axis=0,
            quantize_axis=1,
        )
        return f"{node}/output_0"

    return make_embedding_lookup


def _with_symmetric_packing(original: Any) -> Any:
    """0.18 concatenates the zero points of query, key and value (builders/base.py, make_packed_matmul_int4_class);
    symmetric checkpoints have none."""

    def make_packed_matmul_int4_class(self: Any, q: Any, k: Any, v: Any) -> Any:
        if getattr(q, "qweight", None) is None or q.qzeros is not None:
            return original(self, q, k, v)
        if len({(part.bits, part.group_size) for part in (q, k, v)}) != 1:
            raise ValueError("query, key and value have other bits or group sizes than each other: not to be packed")
        packed = type(q)()
        for key in ("qweight", "scales"):
            setattr(packed, key, torch.cat([getattr(part, key) for part in (q, k, v)]))
        packed.bits, packed.group_size, packed.in_features = q.bits, q.group_size, q.in_features
        packed.out_features = q.out_features + k.out_features + v.out_features
        return packed

    return make_packed_matmul_int4_class
