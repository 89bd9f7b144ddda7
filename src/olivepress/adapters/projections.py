"""Identifies the projection of a LoRA pair by names of Hugging Face modules and of nodes in ModelBuilder's graphs.

A projection of a layer may be fused (Phi's ``qkv_proj``, ``gate_up_proj``): in the model, in the graph, in both or in
neither. ModelBuilder packs query, key and value of every family into one ``qkv_proj``, and splits a ``gate_up_proj``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

__all__ = ["FUSED", "Projection", "has_inputs", "projection_of_input", "projection_of_module", "projection_of_node"]

FUSED = {"qkv_proj": ("q_proj", "k_proj", "v_proj"), "gate_up_proj": ("gate_proj", "up_proj")}

_OF_GRAPH = frozenset({*FUSED, *(part for parts in FUSED.values() for part in parts), "o_proj", "down_proj"})

# Paths of text layers, also in multimodal models, whose other towers are not matched.
_MODULE = re.compile(
    r"^(?:(?:model|language_model|text_model|decoder|transformer)\.)*layers\.([0-9]{1,6})\.(?:self_attn|mlp)\.(\w+)$"
)
_NODE = re.compile(r"^/(model/layers\.(\d+)/(?:attn|mlp)/(\w+_proj))/MatMul\w*$")
_INPUT = re.compile(r"^model\.layers\.(\d+)\.(?:attn|mlp)\.(\w+_proj)\.lora_([AB])\.weight$")


@dataclass(frozen=True, order=True)
class Projection:
    """A linear projection of a decoder layer, fused or not."""

    layer: int
    name: str

    def __str__(self) -> str:
        return f"{self.name} of layer {self.layer}"


def projection_of_module(path: str) -> Projection | None:
    """``model.layers.3.self_attn.q_proj`` → that projection; None for any other module (``lm_head``)."""
    match = _MODULE.match(path)
    return Projection(int(match[1]), match[2]) if match else None


def has_inputs(path: str) -> bool:
    """Whether a package takes an adapter of that module: of attention or the MLP, as ModelBuilder names them.

    Linear attention, short convolutions, and projections that ModelBuilder calls otherwise have no inputs.
    """
    projection = projection_of_module(path)
    return projection is not None and projection.name in _OF_GRAPH


def projection_of_node(name: str) -> tuple[str, Projection] | None:
    """``/model/layers.3/attn/q_proj/MatMulNBits`` → (``model/layers.3/attn/q_proj``, that projection), or None."""
    match = _NODE.match(name)
    return (match[1], Projection(int(match[2]), match[3])) if match else None


def projection_of_input(name: str) -> tuple[Projection, str] | None:
    """``model.layers.3.attn.q_proj.lora_A.weight`` → (that projection, ``A``); None for any other input."""
    match = _INPUT.match(name)
    return (Projection(int(match[1]), match[2]), match[3]) if match else None
