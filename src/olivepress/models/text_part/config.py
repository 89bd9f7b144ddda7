"""config.json of a model of images and text → that of its text part."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from olivepress.catalog import family_of_model_type
from olivepress.core.errors import RecipeError
from olivepress.models.admission.known import architecture_of, is_of_transformers_5
from olivepress.models.admission.rope_parameters import translation

__all__ = ["has_text_part", "text_config"]

_CLASSES = {
    "gemma3": "Gemma3ForConditionalGeneration",
    "mistral3": "Mistral3ForConditionalGeneration",
    "qwen3_5": "Qwen3_5ForConditionalGeneration",
}
_TOKENS = ("bos_token_id", "eos_token_id", "pad_token_id")
_OF_BOTH = ("torch_dtype", "dtype", "tie_word_embeddings", "transformers_version", *_TOKENS)
_QUANTIZED = ("quantization_config", "compression_config", "quantization")
# Of Qwen 3.5: what the class does whatever they are, what layer_types says already, and layers that are left out.
_SAYS_NOTHING: dict[str, tuple[Any, ...]] = {
    "attn_output_gate": (True,),
    "mamba_ssm_dtype": ("float32",),
    "mlp_only_layers": ([],),
}
_MTP = "mtp_"


def has_text_part(config: Mapping[str, Any]) -> bool:
    """Whether a config.json is of a kind of model whose text part can be taken out."""
    return config.get("model_type") in _CLASSES and isinstance(config.get("text_config"), Mapping)


def text_config(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """The config.json of the text part, every key that its class has a default for written out.

    ``path`` names the file in messages. Raises RecipeError: another class than the model_type's, a text part of no
    known family.
    """
    wanted = _CLASSES[config["model_type"]]
    if config.get("architectures") != [wanted]:
        raise RecipeError(
            f"{path}: key 'architectures' is {config.get('architectures')!r}, expected [{wanted!r}] for model_type "
            f"{config['model_type']}",
            next_step="correct it if the weights are such a model's, or give another model",
        )
    own: Mapping[str, Any] = config["text_config"]
    if not isinstance(own.get("model_type"), str):
        raise RecipeError(f"{path}: key 'text_config' has no 'model_type', expected that of its text part")
    family_of_model_type(own["model_type"], path)
    facts = architecture_of(own)
    shared = {key: config[key] for key in (*_OF_BOTH, *_QUANTIZED) if config.get(key) is not None}
    stated = {key: value for key, value in own.items() if value is not None or key not in _OF_BOTH}
    defaults = {key: value for key, value in facts.defaults.items() if value is not None}
    unset = {key: None for key in _TOKENS if key in own}  # null is no default: the tokenizer's end token counts
    values = {**defaults, **unset, **shared, **stated, "architectures": [facts.architecture]}
    return _in_words_of(own, {key: value for key, value in values.items() if not _says_nothing(key, value, own)})


def _says_nothing(key: str, value: Any, own: Mapping[str, Any]) -> bool:
    if key == "full_attention_interval":
        return bool(own.get("layer_types"))
    return key.startswith(_MTP) or value in _SAYS_NOTHING.get(key, ())


def _in_words_of(own: Mapping[str, Any], values: dict[str, Any]) -> dict[str, Any]:
    """What transformers 5 has saved for a type that is trained with transformers 4 is written as that reads it."""
    if "rope_parameters" not in own or is_of_transformers_5(own):
        return values
    meant = translation(own)
    if meant is None:  # the check of config.json refuses it
        return values
    return {**{key: value for key, value in values.items() if key != "rope_parameters"}, **meant}
