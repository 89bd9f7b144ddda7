"""Methods of the builder's model classes that a family's repairs replace, each once a process."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

__all__ = ["complete_gemma3", "complete_gemma4", "complete_qwen3_5", "complete_smollm3", "complete_yarn"]

_DONE = "_olivepress"
_L2_EPSILON = 1e-6


def complete_smollm3() -> None:
    """Layers without rotary embedding are built without one."""
    from builders.smollm import SmolLM3Model

    _replace(SmolLM3Model, "make_attention", _rotating_where_asked)


def complete_qwen3_5() -> None:
    """A text model is loaded as one; of linear attention, quantized projections are connected, and queries and keys
    normalized as transformers does."""
    from builders.qwen import Qwen35TextModel

    _replace(Qwen35TextModel, "load_weights", _loading_text_models)
    _replace(Qwen35TextModel, "make_matmul", _naming_outputs_as_asked)
    _replace(Qwen35TextModel, "make_lp_normalization", _with_epsilon)


def complete_gemma3() -> None:
    """The scaling of the rotary embedding is that of the layers that see everything alone."""
    from builders.gemma import Gemma3Model

    _replace(Gemma3Model, "make_rotary_embedding_multi_cache", _scaling_full_layers_alone)


def complete_gemma4() -> None:
    """A text model is loaded as one."""
    from builders.gemma import Gemma4Model

    _replace(Gemma4Model, "load_weights", _loading_text_models)


def complete_yarn(*, truncate: bool) -> None:
    """The frequencies between the two ends are blended from whole dimensions on, as transformers blends them."""
    from builders.base import Model

    Model.make_inv_freq_rescaled_with_ntk = _blended(truncate=truncate)


def _replace(model_class: Any, name: str, wrapped: Callable[[Any], Any]) -> None:
    done = vars(model_class).get(_DONE, frozenset())
    if name not in done:
        setattr(model_class, _DONE, done | {name})
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


def _naming_outputs_as_asked(original: Any) -> Any:
    """A quantized projection has another name than was asked for, and the nodes after it in linear attention read what
    was asked for (builders/qwen.py: make_linear_attention_input_projections)."""

    def make_matmul(self: Any, matmul: Any, basename: str, root_input: str, **options: Any) -> str:
        name: str = original(self, matmul, basename, root_input, **options)
        if name == basename or "/linear_attn/" not in basename:
            return name
        output = f"{basename}/output_0"
        self.make_node("Identity", inputs=[f"{name}/output_0"], outputs=[output], name=f"{basename}/Identity")
        shape = self.make_hidden_state_shape(seq_dim="sequence_length", last_dim=matmul.out_features)
        self.make_value(output, self.io_dtype, shape=shape)
        return basename

    return make_matmul


def _with_epsilon(original: Any) -> Any:
    """x / √(Σx² + ε), which is a root-mean-square norm with ε / n and the weight 1 / √n; ONNX's LpNormalization has no
    ε (modeling_qwen3_5.py: l2norm). Short vectors differ visibly: 1e-3 in the logits of a small model."""

    def make_lp_normalization(
        self: Any, name: str, root_input: str, dtype: Any, shape: list[Any], axis: int = -1, p: int = 2
    ) -> None:
        import numpy as np

        width, output = int(shape[-1]), f"{name}/output_0"
        weight = f"{name}/weight"
        self.make_initializer(np.full(width, width**-0.5, dtype=np.float32), weight, to=dtype)
        self.make_node(
            "SimplifiedLayerNormalization", inputs=[root_input, weight], outputs=[output], name=name, axis=axis,
            epsilon=_L2_EPSILON / width, stash_type=1,
        )  # fmt: skip
        self.make_value(output, dtype, shape=shape)

    return make_lp_normalization


def _scaling_full_layers_alone(original: Any) -> Any:
    def make_rotary_embedding_multi_cache(self: Any) -> None:
        from builders.gemma import Gemma3Model

        rope = self.rope_attrs
        kinds = {"global": (rope["theta"], rope["rescale_factors"]), "local": (self.rope_local_theta, 1)}
        for kind, (theta, factor) in kinds.items():
            rope |= {"create_caches": True, "theta": theta, "rescale_factors": factor}
            names = {f"{part}_cache_name": f"{part}_cache_{kind}" for part in ("cos", "sin")}
            for part in ("cos", "sin"):
                setattr(self, f"{part}_cache_{kind}_name", names[f"{part}_cache_name"])
            super(Gemma3Model, self).make_rotary_embedding_caches(**names)

    return make_rotary_embedding_multi_cache


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
