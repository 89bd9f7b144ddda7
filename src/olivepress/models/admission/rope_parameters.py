"""The rotary embedding's keys as transformers 5 writes them, in the words of transformers 4."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["built_context", "translation"]

_FULL, _SLIDING = "full_attention", "sliding_attention"


def built_context(config: Mapping[str, Any]) -> int | None:
    """The tokens up to which the built model is the same, where that is less than its context; None for any other.

    From the original context on transformers scales the queries too (modeling_ministral3.py: get_llama_4_attn_scale),
    and onnxruntime-genai does not: the evidence ``ministral3``, beyond the original context.
    """
    parameters = config.get("rope_parameters")
    if not isinstance(parameters, Mapping) or not parameters.get("llama_4_scaling_beta"):
        return None
    original = parameters.get("original_max_position_embeddings")
    return original if isinstance(original, int) else None


def translation(config: Mapping[str, Any]) -> dict[str, Any] | None:
    """The keys that mean the same as ``rope_parameters``; None for a form that transformers 4 cannot express.

    transformers 5 puts everything under one key, by kind of layer where the kinds differ (Gemma 3).
    """
    parameters = config.get("rope_parameters")
    if not isinstance(parameters, Mapping) or not parameters:
        return None
    if not all(isinstance(value, Mapping) for value in parameters.values()):
        return _flat(config, parameters)
    full, sliding = parameters.get(_FULL), parameters.get(_SLIDING)
    if full is None or set(parameters) - {_FULL, _SLIDING} or config.get("model_type") != "gemma3_text":
        return None
    keys = _flat(config, full)
    if keys is None or sliding is None:
        return keys
    if sliding.get("rope_type", "default") != "default" or "rope_theta" not in sliding:
        return None
    return keys | {"rope_local_base_freq": sliding["rope_theta"]}


def _flat(config: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any] | None:
    scaling = dict(parameters)
    theta, partial = scaling.pop("rope_theta", None), scaling.pop("partial_rotary_factor", None)
    if not isinstance(theta, int | float):
        return None
    rope_type = scaling.pop("rope_type", scaling.pop("type", "default"))
    scaling.pop("type", None)
    keys: dict[str, Any] = {"rope_theta": theta}
    if partial is not None and partial != 1:
        keys["partial_rotary_factor"] = partial
    if config.get("model_type") == "phi3" and rope_type == "longrope":
        original = scaling.pop("original_max_position_embeddings", None)
        if original is not None:
            keys["original_max_position_embeddings"] = original
        scaling = {key: scaling[key] for key in ("short_factor", "long_factor") if key in scaling}
        return keys | {"rope_scaling": {"type": rope_type, **scaling}}
    keys["rope_scaling"] = None if rope_type == "default" else {"rope_type": rope_type, **scaling}
    return keys
