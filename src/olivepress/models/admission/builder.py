"""What onnxruntime-genai cannot build or run, or builds as another model without a word.

Each rule was seen on small random models, built in float32 and compared with PyTorch: those of a model type as a whole
are the recorded evidence (``catalog.evidence``), those of single keys of config.json are here (docs/compatibility.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from olivepress.catalog import BUILD, Family, Target
from olivepress.catalog.evidence import refusal, rope_kind, ropes_seen
from olivepress.environments.lookup import environment
from olivepress.models.admission.known import architecture_of, with_defaults
from olivepress.models.admission.layout import EMBEDDING, HEAD, expected_tensors

__all__ = ["target_reason"]

_BUILDER = "modelbuilder"
_HEAD_MULTIPLE = 16
# Their rotary embeddings have rules of their own below.
_OWN_RULES = frozenset({"phi3", "llama", "mistral", "qwen2", "qwen3", "gemma3_text"})
_ACTIVATIONS = frozenset({"silu", "swish", "gelu", "gelu_new", "gelu_fast", "gelu_pytorch_tanh", "relu", "relu2"})
# rope type → the keys of rope_scaling that the builder reads for it.
_SCALINGS = {
    "default": frozenset(),
    "linear": frozenset({"factor"}),
    "llama3": frozenset({"factor", "low_freq_factor", "high_freq_factor", "original_max_position_embeddings"}),
    "longrope": frozenset({"short_factor", "long_factor"}),
}
_OF_GEMMA = 6  # every sixth layer sees everything


def target_reason(family: Family, config: Mapping[str, Any], target: Target) -> str | None:
    """The reason that a model with this config.json cannot be made for the target; None when it can."""
    reason = family.refusal(config, target.target) or _of_environments(family, target)
    kinds = [str(settings["type"]).lower() for settings in target.passes.values()]
    if reason is None and _BUILDER in kinds:
        rounded = kinds[0] != _BUILDER  # in PyTorch, before it is built
        reason = refusal(config["model_type"], family.build_environment, rounded=rounded)
        reason = reason or next(_reasons(family, config), None)
    return reason


def _of_environments(family: Family, target: Target) -> str | None:
    """A model is built in one environment; a target's own has the packages that only its passes need."""
    needed = family.build_environment
    if BUILD not in (needed, target.build_environment) and needed != target.build_environment:
        return (
            f"{family.family} models are built in the environment {needed}, and this target in "
            f"{target.build_environment}, whose packages do not know them"
        )
    if needed != BUILD and target.environment not in (runs := environment(needed).runs):
        return (
            f"{family.family} models are built in the environment {needed}, which has no runtime for "
            f"{target.environment}, only for {', '.join(runs)}"
        )
    return None


def _reasons(family: Family, config: Mapping[str, Any]) -> Iterator[str]:
    values = with_defaults(config)
    yield from _of_heads(values)
    if values["model_type"] in _OWN_RULES:
        yield from _of_rope(family, values)
    else:
        yield from _of_rope_seen(family, values)
    yield from _of_windows(values)
    yield from _of_vocabulary(config)
    key = "hidden_activation" if "hidden_activation" in architecture_of(values).defaults else "hidden_act"
    if values.get(key, "silu") not in _ACTIVATIONS:
        yield f"{key} is {values[key]!r}; onnxruntime-genai builds {', '.join(sorted(_ACTIVATIONS))}"
    if values["model_type"] == "gemma3_text":
        yield from _of_gemma(values)


def _of_heads(values: Mapping[str, Any]) -> Iterator[str]:
    """GroupQueryAttention with the rotary embedding in it: "head_size shall be a multiple of 16"."""
    head, rotated = values["head_dim"], values["head_dim"] * values.get("partial_rotary_factor", 1)
    if head % _HEAD_MULTIPLE:
        key = "head_dim" if values["hidden_size"] != head * values["num_attention_heads"] else "hidden_size"
        yield (
            f"the head size is {head} ({key}), ONNX Runtime's GroupQueryAttention takes multiples of {_HEAD_MULTIPLE} "
            "only"
        )
    elif int(rotated) % _HEAD_MULTIPLE:
        yield (
            f"partial_rotary_factor rotates {int(rotated)} of {head} numbers of a head, ONNX Runtime's "
            f"GroupQueryAttention takes multiples of {_HEAD_MULTIPLE} only"
        )


def _of_rope(family: Family, values: Mapping[str, Any]) -> Iterator[str]:
    scaling = values.get("rope_scaling") or {}
    rope_type = scaling.get("rope_type", scaling.get("type", "default"))
    phi = values["model_type"] == "phi3"
    allowed: tuple[str, ...] = ("default", "longrope") if phi else ("default", "linear", "llama3")
    if values["model_type"] == "gemma3_text":
        allowed = tuple(sorted(ropes_seen(values["model_type"], family.build_environment)))
    if rope_type not in allowed:
        yield (
            f"rope_scaling is {rope_type!r}, which onnxruntime-genai leaves out or computes otherwise for "
            f"{values['model_type']}; it builds {', '.join(allowed)}"
        )
        return
    extra = sorted(set(scaling) - _SCALINGS[rope_type] - {"type", "rope_type"})
    if extra:
        yield f"rope_scaling has {extra[0]!r}, which onnxruntime-genai does not read for {rope_type}"
    if phi and (values["max_position_embeddings"] != values["original_max_position_embeddings"]) != bool(scaling):
        yield (
            f"max_position_embeddings is {values['max_position_embeddings']} and original_max_position_embeddings "
            f"{values['original_max_position_embeddings']}: onnxruntime-genai takes different ones for longrope and "
            f"equal ones for a model without, and rope_scaling is {rope_type if scaling else 'null'}"
        )


def _of_rope_seen(family: Family, values: Mapping[str, Any]) -> Iterator[str]:
    """Rotary embeddings of other types are taken where one of that kind was built rightly."""
    seen = ropes_seen(values["model_type"], family.build_environment)
    rope = rope_kind(values)
    if rope not in seen:
        yield (
            f"its rotary embedding is {rope!r}, which was not shown to be right for {values['model_type']}; "
            f"seen right: {', '.join(sorted(seen)) or 'none'}"
        )


def _of_windows(values: Mapping[str, Any]) -> Iterator[str]:
    """For Qwen the builder gives every layer the window, whatever the layers are."""
    window = values.get("sliding_window")
    kinds = values.get("layer_types")
    if values["model_type"] not in ("qwen2", "qwen3"):
        return
    if not values["use_sliding_window"] or window is None or window >= values["max_position_embeddings"]:
        return
    first = values["max_window_layers"]
    layers = range(values["num_hidden_layers"])
    sliding = [kind == "sliding_attention" for kind in kinds] if kinds else [number >= first for number in layers]
    if not all(sliding):
        key = "layer_types" if kinds else "max_window_layers"
        yield (
            f"a window of {window} tokens in {sum(sliding)} of {len(sliding)} layers (use_sliding_window, {key}): "
            "onnxruntime-genai gives it to every layer"
        )


def _of_vocabulary(config: Mapping[str, Any]) -> Iterator[str]:
    """The builder knows the head by its number of outputs."""
    rows = int(config["vocab_size"])
    for name, shape in expected_tensors(config).items():
        if name not in (EMBEDDING, HEAD) and len(shape) == 2 and shape[0] == rows:
            yield f"{name} has as many rows as vocab_size ({rows}): onnxruntime-genai takes it for the head"
            return


def _of_gemma(values: Mapping[str, Any]) -> Iterator[str]:
    if values["attn_logit_softcapping"] is not None:
        yield "attn_logit_softcapping is set: onnxruntime-genai computes it, PyTorch's fast attention does not"
    if values["use_bidirectional_attention"]:
        yield "use_bidirectional_attention is true: onnxruntime-genai looks back only"
    kinds, pattern = values["layer_types"], values.get("sliding_window_pattern") or _OF_GEMMA
    number = values["num_hidden_layers"]
    full = ["full_attention" if (layer + 1) % pattern == 0 else "sliding_attention" for layer in range(number)]
    built = ["full_attention" if (layer + 1) % _OF_GEMMA == 0 else "sliding_attention" for layer in range(number)]
    if (kinds or full) != built:
        key = "layer_types" if kinds else "sliding_window_pattern"
        yield f"{key}: onnxruntime-genai gives every layer but each sixth the window, and no others"
