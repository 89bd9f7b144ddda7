"""config.json against what the pinned transformers reads: sizes, keys that it would ignore, quantized models."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from olivepress.core.errors import RecipeError
from olivepress.models.admission.known import (
    architecture_of,
    common_keys,
    is_of_transformers_5,
    transformers_version,
    with_defaults,
)
from olivepress.models.admission.layout import EVERY
from olivepress.models.admission.rope_parameters import translation

__all__ = ["check_config", "check_kind"]

_SIZES = (
    "vocab_size",
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_key_value_heads",
    "head_dim",
    "max_position_embeddings",
)
# 4 M positions: the caches of cosines and sines alone take gigabytes beyond. No model of these types has 1,000 layers.
_MOST = {"max_position_embeddings": 1 << 22, "num_hidden_layers": 1000}
_DTYPES = ("float32", "bfloat16", "float16")
_HARMLESS = frozenset({
    "architectures", "model_type", "torch_dtype", "_name_or_path", "_model_name_or_path", "_commit_hash",
    "transformers_version", "transformers.js_config", "auto_map", "use_cache", "gradient_checkpointing",
    "attn_implementation", "_attn_implementation", "_attn_implementation_autoset", "_attn_implementation_internal",
    "_flash_attn_2_enabled",
    "use_flash_attention", "use_flash_attention_2", "use_flash_attn", "cache_implementation", "output_attentions",
    "pretraining_tp", "initializer_range", "attention_dropout", "resid_pdrop", "embd_pdrop", "hidden_dropout",
    "attention_dropout_prob", "trust_remote_code", "is_llama_config", "max_window_layers", "model_max_length",
    "tokenizer_model_max_length", "tokenizer_padding_side", "bos_token", "eos_token", "pad_token", "unk_token_id",
    "library_name", "license", "language", "tags", "datasets",
})  # fmt: skip
_HARMLESS_PREFIXES = ("unsloth_", "axolotl_", "_unsloth")
# Keys that change nothing while they have this value.
_NEUTRAL: dict[str, tuple[Any, ...]] = {
    "rope_interleaved": (False,),
    "use_mrope": (False,),
    "full_attn_mod": (1,),
    "interpolate_factor": (1,),
    "interpolation_factor": (1,),
    "partial_rotary_factor": (1,),
    "rope_position_scale": (1,),
    "rotary_pct": (1,),
    "logit_scale": (1,),
    "num_nextn_predict_layers": (0,),
    "norm_type": ("rmsnorm", "rms_norm"),
    "hidden_activation": ("silu", "swish"),
    "tie_embedding": (True,),
}
# The ONNX builder of GenAI takes these from any config, even where they are null.
_BUILDER_READS = frozenset({
    "seq_length", "ffn_hidden_size", "multi_query_group_num", "rope_position_scale", "rope_embedding_base",
    "partial_rotary_factor", "num_local_experts", "num_experts_per_tok", "dummy_token_indices", "peft_type",
})  # fmt: skip
_HUB_ID = re.compile(r"[\w-]+/[\w-]+")
_TYPES = {bool: "true or false", int: "a number", float: "a number", str: "a name"}
_LAYERS = ("full_attention", "sliding_attention")
_OF_QUANTIZERS = ("quantization_config", "compression_config", "quantization")  # the last is what MLX writes
_NOT_TEXT = ("text_config", "vision_config", "audio_config", "vision_tower", "language_config")


def check_config(path: Path, config: Mapping[str, Any]) -> None:
    """Raises RecipeError for a config.json that the pinned transformers would not read as it is meant."""
    check_kind(path, config)
    _check_sizes(path, config)
    _check_types(path, config)
    _check_rope_parameters(path, config)
    _check_keys(path, config)
    _check_token_ids(path, config)


def check_kind(path: Path, config: Mapping[str, Any]) -> None:
    """Raises RecipeError for a model that no change of its config.json makes one that can be trained."""
    for key in _NOT_TEXT:
        if config.get(key) is not None:
            raise RecipeError(
                f"{path}: key {key!r}: a model of images or sound, expected a text model",
                next_step="give the text model that it was made from, or export its language model on its own",
            )
    for key in filter(config.get, _OF_QUANTIZERS):
        method = config[key].get("quant_method") if isinstance(config[key], Mapping) else None
        raise RecipeError(
            f"{path}: key {key!r}: the weights are quantized already ({method or 'method not named'}), "
            "expected the unquantized model: merging and exporting need it",
            next_step="give the model that this was quantized from (method: qlora trains it in 4 bits)",
        )
    wanted = architecture_of(config).architecture
    if config.get("architectures") != [wanted]:
        raise RecipeError(
            f"{path}: key 'architectures' is {config.get('architectures')!r}, expected [{wanted!r}] for model_type "
            f"{config['model_type']}",
            next_step="correct it if the weights are such a model's, or give another model",
        )
    dtype = config.get("dtype") or config.get("torch_dtype")
    if dtype is not None and dtype not in _DTYPES:
        raise RecipeError(f"{path}: key 'torch_dtype' is {dtype!r}, expected one of {', '.join(_DTYPES)}")
    _check_own_code(path, config)


def _check_own_code(path: Path, config: Mapping[str, Any]) -> None:
    """Phi's own configs name code that became a part of transformers, and a tokenizer of the Hub, which is not fetched
    where the folder has its own; any other code is another model."""
    own = config.get("auto_map") or {}
    model_type = config["model_type"]
    native = (f"configuration_{model_type}.", f"modeling_{model_type}.")
    for key, value in own.items() if isinstance(own, Mapping) else [("", own)]:
        if key == "AutoTokenizer" and isinstance(value, str) and _HUB_ID.fullmatch(value):
            continue
        if not isinstance(value, str) or not value.rpartition("--")[2].startswith(native):
            raise RecipeError(
                f"{path}: key 'auto_map' names code of its own ({value}), which is not run",
                next_step=f"give a model that {transformers_version(config)} knows without code of its own",
            )


def _check_sizes(path: Path, config: Mapping[str, Any]) -> None:
    values = _with_defaults(path, config)
    for key in _SIZES:
        value = values[key]
        if not isinstance(value, int) or isinstance(value, bool) or value < 1:
            raise RecipeError(f"{path}: key {key!r} is {value!r}, expected a whole number from 1 on")
    for key, most in _MOST.items():
        if values[key] > most:
            raise RecipeError(f"{path}: key {key!r} is {values[key]}, expected at most {most}")
    heads, groups = values["num_attention_heads"], values["num_key_value_heads"]
    if heads % groups:
        raise RecipeError(
            f"{path}: key 'num_attention_heads' is {heads}, expected a multiple of num_key_value_heads ({groups})"
        )
    for key in ("rope_theta", "rms_norm_eps", "rope_local_base_freq"):
        value = values.get(key)
        if key in architecture_of(config).defaults and not _is_positive(value):
            raise RecipeError(f"{path}: key {key!r} is {value!r}, expected a number above 0")


def _check_types(path: Path, config: Mapping[str, Any]) -> None:
    """A value of another type than the class's default is taken as it is: the text "false" is true."""
    for key, default in architecture_of(config).defaults.items():
        value = config.get(key)
        if value is None or default is None or key.endswith("_token_id"):
            continue
        allowed: tuple[type, ...] = (int, float) if type(default) in (int, float) else (type(default),)
        if type(value) not in allowed:
            raise RecipeError(f"{path}: key {key!r} is {_short(value)}, expected {_TYPES[type(default)]}")
    window, kinds = config.get("sliding_window"), config.get("layer_types")
    if window is not None and (type(window) is not int or window < 1):
        raise RecipeError(f"{path}: key 'sliding_window' is {_short(window)}, expected null or tokens from 1 on")
    known = tuple(kind for kind in architecture_of(config).layers if kind != EVERY) or _LAYERS
    if kinds is not None and not (isinstance(kinds, list) and all(kind in known for kind in kinds)):
        raise RecipeError(f"{path}: key 'layer_types' is {_short(kinds)}, expected a list of {' or '.join(known)}")
    if kinds is not None and len(kinds) != _with_defaults(path, config)["num_hidden_layers"]:
        raise RecipeError(f"{path}: key 'layer_types' has {len(kinds)} entries, expected one for each layer")
    if kinds is not None and "sliding_attention" in kinds and config.get("use_sliding_window") is False:
        raise RecipeError(
            f"{path}: key 'layer_types' has sliding_attention, and use_sliding_window is false: no window is set, "
            f"and {transformers_version(config)} fails",
            next_step="correct one of the two as the model was trained",
        )


def _with_defaults(path: Path, config: Mapping[str, Any]) -> dict[str, Any]:
    """As ``with_defaults``; RecipeError where the head size cannot be worked out."""
    try:
        values = with_defaults(config)
    except (TypeError, ZeroDivisionError):
        shown = ", ".join(f"{key} {config.get(key)!r}" for key in ("hidden_size", "num_attention_heads"))
        raise RecipeError(f"{path}: {shown}, expected whole numbers from 1 on") from None
    if config.get("head_dim") is None and values["hidden_size"] % values["num_attention_heads"]:
        raise RecipeError(
            f"{path}: key 'hidden_size' is {values['hidden_size']}, expected a multiple of num_attention_heads "
            f"({values['num_attention_heads']}), or a key 'head_dim'"
        )
    return values


def _is_positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value > 0


def _check_rope_parameters(path: Path, config: Mapping[str, Any]) -> None:
    """What transformers 5 writes for the rotary embedding is nothing to transformers 4."""
    if "rope_parameters" not in config or is_of_transformers_5(config):
        return
    wanted = translation(config)
    version = config.get("transformers_version", "5")
    if wanted is None:
        raise RecipeError(
            f"{path}: key 'rope_parameters' (of transformers {version}): {transformers_version(config)} does not read "
            "it, and it has no form that can be translated",
            next_step="save the model with transformers 4.57, or write rope_theta and rope_scaling by hand",
        )
    changed = {key: value for key, value in wanted.items() if not _same(config.get(key), value)}
    if changed:
        raise RecipeError(
            f"{path}: key 'rope_parameters' (of transformers {version}): {transformers_version(config)} does not read "
            f"it and would take {_instead(config, changed)}",
            next_step=f"add to {path.name}: {_as_json(wanted)}",
        )


def _same(there: Any, wanted: Any) -> bool:
    """Equal, or a scaling that adds nothing to the other (type beside rope_type)."""
    if isinstance(there, Mapping) and isinstance(wanted, Mapping):
        extra = set(there) - set(wanted) - {"type", "rope_type", "rope_theta"}
        return not extra and all(there.get(key) == value for key, value in wanted.items())
    return bool(there == wanted)


def _instead(config: Mapping[str, Any], changed: Mapping[str, Any]) -> str:
    values = {**architecture_of(config).defaults, **config}
    return ", ".join(f"{key} {_as_text(values.get(key))} instead of {_as_text(changed[key])}" for key in changed)


def _as_text(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("rope_type", value.get("type")))
    return "none" if value is None else str(value)


def _as_json(values: Mapping[str, Any]) -> str:
    import json

    return json.dumps(values)[1:-1]


def _check_keys(path: Path, config: Mapping[str, Any]) -> None:
    """Every key that the config class does not take must be known to change nothing."""
    facts = architecture_of(config)
    known = common_keys(config) | set(facts.defaults) | set(facts.also) | _HARMLESS
    for key, value in config.items():
        if key in known or key == "rope_parameters" or key.startswith(_HARMLESS_PREFIXES) or _is_neutral(key, value):
            continue
        near = difflib.get_close_matches(key, sorted(known - _HARMLESS), n=1, cutoff=0.75)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise RecipeError(
            f"{path}: key {key!r} ({_short(value)}): the {config['model_type']} of {transformers_version(config)} does "
            "not know it, so the model could be computed otherwise than it was trained",
            next_step=f"{guess}correct the key, or remove it if the model is right without it",
        )


def _is_neutral(key: str, value: Any) -> bool:
    if key in _NEUTRAL:
        return any(value == neutral for neutral in _NEUTRAL[key])
    if key == "layer_types":
        return isinstance(value, list) and set(value) == {"full_attention"}
    return (value is None or value is False) and key not in _BUILDER_READS


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _check_token_ids(path: Path, config: Mapping[str, Any]) -> None:
    """A special token beyond the embedding fails when it is looked up, hours later."""
    rows = config.get("vocab_size")
    if type(rows) is not int or rows < 1:
        raise RecipeError(f"{path}: 'vocab_size' is {_short(rows)}, expected a number")
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        value = config.get(key)
        for number in value if isinstance(value, list) else [value]:
            if number is not None and not (type(number) is int and 0 <= number < rows):
                raise RecipeError(
                    f"{path}: key {key!r} is {number!r}, expected a token from 0 to {rows - 1} (vocab_size {rows})"
                )
