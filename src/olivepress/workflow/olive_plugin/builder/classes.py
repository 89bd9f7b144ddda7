"""Methods of the builder's model classes that a family's repairs replace, each once a process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["complete_gemma4", "complete_qwen3_5", "complete_smollm3"]

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
