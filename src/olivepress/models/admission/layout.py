"""The tensors that a model of a config.json has: names and shapes, without building it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from olivepress.models.admission.known import architecture_of, with_defaults

__all__ = [
    "EMBEDDING",
    "EVERY",
    "HEAD",
    "expected_parameters",
    "expected_tensors",
    "is_tied",
    "layer_kinds",
    "linear_modules",
]

Shape = tuple[int, ...]
EMBEDDING, HEAD = "model.embed_tokens.weight", "lm_head.weight"
EVERY = "every"
"""In the data of an architecture: the tensors of layers of all kinds."""
_FULL_EVERY = {"gemma2": 2, "gemma4_unified_text": 6, "qwen3_5_text": 4}  # layers, where config.json names none
_GEMMA_NORMS = ("input", "post_attention", "pre_feedforward", "post_feedforward")


def expected_tensors(config: Mapping[str, Any]) -> dict[str, Shape]:
    """Tensor → shape. A head that is tied to the embedding is not a tensor of its own."""
    values = with_defaults(config)
    vocabulary, width = values["vocab_size"], values["hidden_size"]
    tensors: dict[str, Shape] = {EMBEDDING: (vocabulary, width)}
    if not is_tied(config):
        tensors[HEAD] = (vocabulary, width)
    facts = architecture_of(config)
    if not facts.layers:
        return tensors | {"model.norm.weight": (width,)} | _in_layers([_layer(values)] * values["num_hidden_layers"])
    sizes = _sizes(values)
    kinds = layer_kinds(values)
    layers = {
        kind: _shapes({**facts.layers.get(EVERY, {}), **facts.layers.get(kind, {})}, sizes) for kind in set(kinds)
    }
    outside = facts.outside or {"model.norm.weight": ("hidden_size",)}
    return tensors | _shapes(outside, sizes) | _in_layers([layers[kind] for kind in kinds])


def layer_kinds(values: Mapping[str, Any]) -> list[str]:
    """The kind of each layer; where config.json leaves it out, what the class works out."""
    number, kinds = values["num_hidden_layers"], values.get("layer_types")
    if kinds:
        return list(kinds)
    if values.get("full_attn_idxs"):  # LFM2
        return ["full_attention" if layer in values["full_attn_idxs"] else "conv" for layer in range(number)]
    every = _FULL_EVERY.get(values["model_type"], 1)
    other = next((kind for kind in architecture_of(values).layers if kind not in (EVERY, "full_attention")), "")
    return ["full_attention" if (layer + 1) % every == 0 else other for layer in range(number)]


def _in_layers(layers: Sequence[Mapping[str, Shape]]) -> dict[str, Shape]:
    return {
        f"model.layers.{number}.{name}": shape for number, layer in enumerate(layers) for name, shape in layer.items()
    }


def _shapes(tensors: Mapping[str, Sequence[str | int]], sizes: Mapping[str, Any]) -> dict[str, Shape]:
    """Name → shape, of what the sizes ask for: ``NAME ? KEY`` where the key is true, ``NAME ! KEY`` where it is not."""
    shapes = {}
    for entry, shape in tensors.items():
        name, sign, key = (*entry.split(), "", "")[:3]
        if not sign or bool(sizes.get(key)) == (sign == "?"):
            shapes[name] = tuple(part if isinstance(part, int) else int(sizes[part]) for part in shape)
    return shapes


def _sizes(values: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of config.json and what the shapes are written in besides."""
    heads, groups, head = values["num_attention_heads"], values["num_key_value_heads"], values["head_dim"]
    wide = values.get("global_head_dim") or head
    wide_groups = (values.get("num_global_key_value_heads") if values.get("attention_k_eq_v") else None) or groups
    sizes = {
        **values,
        "inner": _inner(values),
        "queries": heads * head,
        "keys": groups * head,
        "gated_queries": 2 * heads * head,
        "wide_head": wide,
        "wide_queries": heads * wide,
        "wide_keys": wide_groups * wide,
        "three_widths": 3 * values["hidden_size"],
    }
    if "linear_num_key_heads" in values:
        keys = values["linear_num_key_heads"] * values["linear_key_head_dim"]
        sizes["linear_values"] = values["linear_num_value_heads"] * values["linear_value_head_dim"]
        sizes["linear_mixed"] = 2 * keys + sizes["linear_values"]
    return sizes


def _inner(values: Mapping[str, Any]) -> int:
    """Of LFM2 two thirds of what config.json says, rounded up: modeling_lfm2.py, Lfm2MLP."""
    inner: int = values.get("block_ff_dim") or values["intermediate_size"]
    if not values.get("block_auto_adjust_ff_dim"):
        return inner
    inner = int(values["block_ffn_dim_multiplier"] * int(2 * inner / 3))
    multiple: int = values["block_multiple_of"]
    return multiple * -(-inner // multiple)


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
