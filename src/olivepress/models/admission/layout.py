"""The tensors that a model of a config.json has: names and shapes, without building it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from olivepress.models.admission.known import with_defaults

__all__ = ["EMBEDDING", "HEAD", "expected_parameters", "expected_tensors", "is_tied", "linear_modules"]

Shape = tuple[int, ...]
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
_GEMMA_NORMS = ("input", "post_attention", "pre_feedforward", "post_feedforward")


def expected_tensors(config: Mapping[str, Any]) -> dict[str, Shape]:
    """Tensor → shape. A head that is tied to the embedding is not a tensor of its own."""
    values = with_defaults(config)
    vocabulary, width = values["vocab_size"], values["hidden_size"]
    tensors: dict[str, Shape] = {EMBEDDING: (vocabulary, width), "model.norm.weight": (width,)}
    if not is_tied(config):
        tensors[HEAD] = (vocabulary, width)
    layer = _layer(values)
    for number in range(values["num_hidden_layers"]):
        tensors |= {f"model.layers.{number}.{name}": shape for name, shape in layer.items()}
    return tensors


def expected_parameters(config: Mapping[str, Any]) -> int:
    """Parameters of the model of that config.json, those of a tied head counted once."""
    return sum(math.prod(shape) for shape in expected_tensors(config).values())


def is_tied(config: Mapping[str, Any]) -> bool:
    return bool(with_defaults(config)["tie_word_embeddings"])


def linear_modules(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Full names of the modules that an adapter can be trained for: matrices of the layers, and a head of its own."""
    shapes = expected_tensors(config)
    return tuple(
        name.removesuffix(".weight") for name, shape in shapes.items() if len(shape) == 2 and name != EMBEDDING
    )


def _layer(values: Mapping[str, Any]) -> dict[str, Shape]:
    """One layer's tensors, named from the layer on."""
    width, inner, head = values["hidden_size"], values["intermediate_size"], values["head_dim"]
    queries, keys = values["num_attention_heads"] * head, values["num_key_value_heads"] * head
    gemma = values["model_type"] == "gemma3_text"
    norms = _GEMMA_NORMS if gemma else _GEMMA_NORMS[:2]
    tensors: dict[str, Shape] = {f"{name}_layernorm.weight": (width,) for name in norms}
    tensors["self_attn.o_proj.weight"] = (width, queries)
    tensors["mlp.down_proj.weight"] = (width, inner)
    if values["model_type"] == "phi3":
        tensors["self_attn.qkv_proj.weight"] = (queries + 2 * keys, width)
        tensors["mlp.gate_up_proj.weight"] = (2 * inner, width)
        return tensors
    for name, rows in (("q_proj", queries), ("k_proj", keys), ("v_proj", keys)):
        tensors[f"self_attn.{name}.weight"] = (rows, width)
    for name in ("gate_proj", "up_proj"):
        tensors[f"mlp.{name}.weight"] = (inner, width)
    if gemma or values["model_type"] == "qwen3":
        tensors |= {f"self_attn.{name}_norm.weight": (head,) for name in ("q", "k")}
    return tensors | _biases(values, tensors)


def _biases(values: Mapping[str, Any], tensors: Mapping[str, Shape]) -> dict[str, Shape]:
    attention, mlp = ("q_proj", "k_proj", "v_proj", "o_proj"), ("gate_proj", "up_proj", "down_proj")
    names: tuple[str, ...] = ()
    if values["model_type"] == "qwen2":
        names = attention[:3]
    elif values.get("attention_bias"):
        names = attention
    if values.get("mlp_bias") and values["model_type"] in ("llama", "smollm3"):
        names += mlp
    weights = {name.split(".")[1]: name for name in tensors if name.endswith("_proj.weight")}
    return {f"{weights[name].removesuffix('.weight')}.bias": tensors[weights[name]][:1] for name in names}
