"""Methods of the builder's model classes that a family's repairs replace, each once a process."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

__all__ = ["complete_gemma4", "complete_qwen3_5", "complete_smollm3", "complete_yarn"]

_DONE = "_olivepress"


def complete_smollm3() -> None:
    """Layers without rotary embedding are built without one."""
    from builders.smollm import SmolLM3Model

    _replace(SmolLM3Model, "make_attention", _rotating_where_asked)


def complete_qwen3_5() -> None:
    """A text model is loaded as one."""
    from builders.qwen import Qwen35TextModel

    _replace(Qwen35TextModel, "load_weights", _loading_text_models)


def complete_gemma4() -> None:
    """A text model is loaded as one."""
    from builders.gemma import Gemma4Model

    _replace(Gemma4Model, "load_weights", _loading_text_models)


def complete_yarn(*, truncate: bool) -> None:
    """The frequencies between the two ends are blended from whole dimensions on, as transformers blends them."""
    from builders.base import Model

    Model.make_inv_freq_rescaled_with_ntk = _blended(truncate=truncate)


def _replace(model_class: Any, name: str, wrapped: Callable[[Any], Any]) -> None:
    if not vars(model_class).get(_DONE):
        setattr(model_class, _DONE, True)
        setattr(model_class, name, wrapped(getattr(model_class, name)))


def _rotating_where_asked(original: Any) -> Any:
    def make_attention(self: Any, layer_id: int, *arguments: Any, **options: Any) -> None:
        rope = self.attention_attrs["rope"]
        self.attention_attrs["rope"] = rope and bool(self.no_rope_layers[layer_id])
        original(self, layer_id, *arguments, **options)
        self.attention_attrs["rope"] = rope

    return make_attention


def _loading_text_models(original: Any) -> Any:
    def load_weights(self: Any, input_path: str) -> Any:
        from transformers import AutoConfig, AutoModelForCausalLM

        model_type = AutoConfig.from_pretrained(self.model_name_or_path).model_type
        if self.quant_type is None and model_type.endswith("_text"):
            return AutoModelForCausalLM.from_pretrained(self.model_name_or_path)
        return original(self, input_path)

    return load_weights


def _blended(*, truncate: bool) -> Any:
    """transformers' ``_compute_yarn_parameters`` (modeling_rope_utils.py), without its factor of cosines and sines,
    which the builder has."""

    def make_inv_freq_rescaled_with_ntk(self: Any, inv_freq: Any) -> Any:
        import torch

        settings, dimensions = self.rope_attrs["rescale_inv_freq"], 2 * len(inv_freq)
        low, high = (
            dimensions
            * math.log(self.original_context_length / (settings[turns] * 2 * math.pi))
            / (2 * math.log(self.rope_attrs["theta"]))
            for turns in ("ntk_beta", "ntk_alpha")
        )
        if truncate:
            low, high = math.floor(low), math.ceil(high)
        low, high = max(low, 0), min(high, dimensions - 1)
        width = high - low or 0.001
        stretched = ((torch.arange(len(inv_freq), dtype=torch.float32) - low) / width).clamp(0, 1)
        return inv_freq / settings["factor"] * stretched + inv_freq * (1 - stretched)

    return make_inv_freq_rescaled_with_ntk
