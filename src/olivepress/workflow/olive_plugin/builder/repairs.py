"""Repairs of what onnxruntime-genai's builder reads otherwise than transformers writes it, or computes wrongly.

A family's YAML names those that it needs under ``repairs``. Each is a small function of the model's loaded config,
called before the builder reads it; some complete a class of the builder's as well. Each says what is wrong and where
that was seen (onnxruntime-genai 0.18.0, src/python/py/models).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from olivepress.core.errors import JobError
from olivepress.workflow.olive_plugin.builder.classes import (
    complete_gemma3,
    complete_gemma4,
    complete_qwen3_5,
    complete_smollm3,
    complete_yarn,
)

__all__ = ["REPAIRS", "apply_repairs"]

Repair = Callable[[Any], None]


def longrope_type(config: Any) -> None:
    """transformers 5 names the scaling in ``rope_type`` alone; the builder reads ``type`` (builders/base.py:
    ``config.rope_scaling["type"]``)."""
    scaling = getattr(config, "rope_parameters", None)
    if isinstance(scaling, dict) and scaling.get("rope_type") == "longrope":
        scaling.setdefault("type", "longrope")


def uniform_window(config: Any) -> None:
    """Without ``layer_types`` the builder takes every layer for one that sees everything, and drops the window of
    models whose layers all have one (Phi-3-4k, Mistral 0.1)."""
    if getattr(config, "sliding_window", None) and not getattr(config, "layer_types", None):
        config.layer_types = ["sliding_attention"] * config.num_hidden_layers


def rope_of_each_kind(config: Any) -> None:
    """transformers 5 nests the rotary embeddings of Gemma 3 by kind of layer; the builder reads one for the layers that
    see everything and ``rope_local_base_freq`` for the others (builders/gemma.py: Gemma3Model)."""
    kinds = getattr(config, "rope_parameters", None)
    if isinstance(kinds, dict) and "full_attention" in kinds:
        config.rope_local_base_freq = kinds["sliding_attention"]["rope_theta"]
        config.rope_parameters = dict(kinds["full_attention"])


def scaled_full_layers_alone(config: Any) -> None:
    """Gemma 3 from 4B on scales the rotary embedding of the layers that see everything, and no other; the builder
    scales both caches (builders/gemma.py: Gemma3Model.make_rotary_embedding_multi_cache). Reported as
    onnxruntime-genai's issue 2277: wrong from the first layer with a window on."""
    complete_gemma3()


def sizes_of_each_kind(config: Any) -> None:
    """transformers 5 keeps the head sizes of Gemma 4 by layer (``per_layer_config``) and refuses to be asked for one;
    the builder asks for two, of the layers with a window and of the others (builders/gemma.py: Gemma4Model)."""
    config.allow_global_per_layer_attribute_access = True
    layers = dict(enumerate(config.per_layer_config)) if getattr(config, "per_layer_config", None) else {}
    for number, kind in enumerate(config.layer_types):
        if number not in layers:
            continue
        prefix = "global_" if kind == "full_attention" else ""
        setattr(config, f"{prefix}head_dim", layers[number].head_dim)
        name = "num_global_key_value_heads" if prefix else "num_key_value_heads"
        setattr(config, name, layers[number].num_key_value_heads)


def whole_yarn_dimensions(config: Any) -> None:
    """YaRN blends two sets of frequencies between two dimensions, which transformers rounds to whole ones unless
    ``truncate`` is false; the builder never rounds (builders/base.py: make_inv_freq_rescaled_with_ntk)."""
    scaling = getattr(config, "rope_parameters", None) or {}
    if scaling.get("rope_type") == "yarn":
        complete_yarn(truncate=scaling.get("truncate", True))


def norm_epsilon(config: Any) -> None:
    """The builder takes 1e-6 where a config has no ``rms_norm_eps``; Nemotron's ``norm_eps`` is 1e-5 (builders/base.py:
    ``epsilon``)."""
    config.rms_norm_eps = config.norm_eps


def as_mistral(config: Any) -> None:
    """Ministral 3's decoder, which the builder knows inside a model of images only (builder.py: Mistral3ForConditional
    Generation), is Mistral's with another rotary embedding."""
    config.architectures[0] = "MistralForCausalLM"


def as_qwen2(config: Any) -> None:
    """Seed-OSS's decoder is Qwen 2's; the builder has no entry for its name (builder.py: create_model)."""
    config.architectures[0] = "Qwen2ForCausalLM"


def as_gemma4_unified(config: Any) -> None:
    """The text model of Gemma 4 12B, which the builder knows by the name of the model of images only, and loads as one
    (builders/gemma.py: Gemma4Model.load_weights)."""
    config.architectures[0] = "Gemma4UnifiedForConditionalGeneration"
    complete_gemma4()


def text_of_qwen3_5(config: Any) -> None:
    """The text model of Qwen 3.5, which the builder knows by the name of the model of images only, and loads as one
    (builders/qwen.py: Qwen35TextModel.load_weights)."""
    config.architectures[0] = "Qwen3_5ForConditionalGeneration"
    complete_qwen3_5()


def layers_without_rope(config: Any) -> None:
    """SmolLM3's every fourth layer does not rotate; the builder sets an attribute that the rotation outside attention
    does not read, and rotates after all (builders/smollm.py: ``use_rope_in_attn``)."""
    complete_smollm3()


REPAIRS: Mapping[str, Repair] = {
    repair.__name__: repair
    for repair in (
        longrope_type,
        uniform_window,
        rope_of_each_kind,
        scaled_full_layers_alone,
        sizes_of_each_kind,
        whole_yarn_dimensions,
        norm_epsilon,
        as_mistral,
        as_qwen2,
        as_gemma4_unified,
        text_of_qwen3_5,
        layers_without_rope,
    )
}


def apply_repairs(names: Sequence[str], config: Any) -> None:
    """Change ``config`` in place. Raises JobError for a name that is none of ``REPAIRS``."""
    for name in names:
        if name not in REPAIRS:
            raise JobError(f"no repair {name!r} of a model's config; known: {', '.join(sorted(REPAIRS))}")
        REPAIRS[name](config)
