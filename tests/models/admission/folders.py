"""Small model folders, written by hand: a second of torch for each would be too slow."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.models.admission.layout import expected_tensors

_SMALL: dict[str, Any] = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 40, "torch_dtype": "float32", "max_position_embeddings": 512,
    "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "tie_word_embeddings": False, "bos_token_id": 0, "eos_token_id": 1,
    "pad_token_id": 1, "transformers_version": "4.57.6",
}  # fmt: skip
KINDS: dict[str, dict[str, Any]] = {
    "llama": {"architectures": ["LlamaForCausalLM"], "hidden_act": "silu", "attention_bias": False, "mlp_bias": False},
    "mistral": {"architectures": ["MistralForCausalLM"], "hidden_act": "silu", "sliding_window": None},
    "qwen2": {"architectures": ["Qwen2ForCausalLM"], "hidden_act": "silu", "use_sliding_window": False},
    "qwen3": {"architectures": ["Qwen3ForCausalLM"], "hidden_act": "silu", "head_dim": 16},
    "phi3": {
        "architectures": ["Phi3ForCausalLM"], "hidden_act": "silu", "original_max_position_embeddings": 512,
    },
    "gemma3_text": {
        "architectures": ["Gemma3ForCausalLM"], "head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 32,
        "tie_word_embeddings": True, "rope_local_base_freq": 10000.0, "hidden_activation": "gelu_pytorch_tanh",
    },
    "ernie4_5": {"architectures": ["Ernie4_5ForCausalLM"], "hidden_act": "silu", "use_bias": False, "head_dim": 16},
    "granite": {
        "architectures": ["GraniteForCausalLM"], "hidden_act": "silu", "embedding_multiplier": 3.0,
        "attention_multiplier": 0.1, "logits_scaling": 2.0, "residual_multiplier": 0.4,
    },
}  # fmt: skip
# Of transformers 5: their families are built in build-next.
_ROPE = {"rope_theta": ..., "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}
NEXT_KINDS: dict[str, dict[str, Any]] = {
    "smollm3": {"architectures": ["SmolLM3ForCausalLM"], "hidden_act": "silu", "no_rope_layers": [1, 0], **_ROPE},
    "gemma2": {
        "architectures": ["Gemma2ForCausalLM"], "head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 32,
        "tie_word_embeddings": True, "hidden_activation": "gelu_pytorch_tanh", **_ROPE,
    },
    "seed_oss": {
        "architectures": ["SeedOssForCausalLM"], "hidden_act": "silu", "head_dim": 16, "attention_bias": True, **_ROPE,
    },
    "hunyuan_v1_dense": {
        "architectures": ["HunYuanDenseV1ForCausalLM"], "hidden_act": "silu", "head_dim": 16, "attention_bias": False,
        **_ROPE,
    },
    "nemotron": {
        "architectures": ["NemotronForCausalLM"], "hidden_act": "relu2", "head_dim": 32, "rms_norm_eps": ...,
        "norm_eps": 1e-5, "rope_theta": ...,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.5},
    },
    "ministral3": {"architectures": ["Ministral3ForCausalLM"], "hidden_act": "silu", "head_dim": 16, **_ROPE},
    "lfm2": {
        "architectures": ["Lfm2ForCausalLM"], "rms_norm_eps": ..., "norm_eps": 1e-5, "block_multiple_of": 16,
        "layer_types": ["conv", "full_attention"], "tie_word_embeddings": True, **_ROPE,
    },
    "qwen3_5_text": {
        "architectures": ["Qwen3_5ForCausalLM"], "hidden_act": "silu", "head_dim": 64, "linear_key_head_dim": 16,
        "linear_value_head_dim": 16, "linear_num_key_heads": 2, "linear_num_value_heads": 4,
        "layer_types": ["linear_attention", "full_attention"], "rope_theta": ...,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "partial_rotary_factor": 0.25},
    },
    "gemma4_unified_text": {
        "architectures": ["Gemma4UnifiedForCausalLM"], "head_dim": 16, "global_head_dim": 32, "sliding_window": 32,
        "num_global_key_value_heads": 1, "hidden_activation": "gelu_pytorch_tanh", "tie_word_embeddings": True,
        "layer_types": ["sliding_attention", "full_attention"], "rope_theta": ...,
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 10000.0},
            "full_attention": {"rope_type": "proportional", "partial_rotary_factor": 0.25, "rope_theta": 1000000.0},
        },
    },
}  # fmt: skip


def config_of(kind: str, **changes: Any) -> dict[str, Any]:
    """A small config.json; a change to ... leaves the key out."""
    config = {"model_type": kind, **_SMALL, **{**KINDS, **NEXT_KINDS}[kind], **changes}
    return {key: value for key, value in config.items() if value is not ...}


def write_folder(directory: Path, kind: str = "llama", **changes: Any) -> Path:
    """A whole model whose weights are those of its config.json before ``changes`` that are no shapes."""
    config = config_of(kind, **changes)
    directory.mkdir(parents=True, exist_ok=True)
    change_json(directory / "config.json", config)
    shapes = expected_tensors(config)
    write_weights(directory / "model.safetensors", {name: np.full(shape, 0.5, "<f4") for name, shape in shapes.items()})
    vocabulary = {f"t{number}": number for number in range(config["vocab_size"])}
    change_json(directory / "tokenizer.json", {"model": {"type": "BPE", "vocab": vocabulary}, "added_tokens": []})
    change_json(directory / "tokenizer_config.json", {"tokenizer_class": "PreTrainedTokenizerFast"})
    change_json(directory / "generation_config.json", {"bos_token_id": 0, "eos_token_id": [1], "pad_token_id": 1})
    return directory


def change_json(path: Path, changes: Mapping[str, Any]) -> None:
    """Write or change keys of a JSON file; a change to ... removes the key."""
    values = json.loads(path.read_text()) if path.exists() else {}
    values |= changes
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not ...}))


def write_weights(path: Path, tensors: Mapping[str, Any]) -> None:
    from safetensors.numpy import save_file

    save_file(dict(tensors), str(path), metadata={"format": "pt"})


def read_weights(path: Path) -> dict[str, Any]:
    from safetensors.numpy import load_file

    return dict(load_file(str(path)))
