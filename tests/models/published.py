"""config.json of models that the catalog does not have, as published."""

from __future__ import annotations

import json
from typing import Any

__all__ = ["PUBLISHED", "config_json"]

# Qwen3-14B: as quoted in github.com/citsjtu2020/LLM-Prof, sglang/Model_Config.md, commit 8434c8d.
_QWEN3_14B: dict[str, Any] = {
    "architectures": ["Qwen3ForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 151643,
    "eos_token_id": 151645, "head_dim": 128, "hidden_act": "silu", "hidden_size": 5120, "initializer_range": 0.02,
    "intermediate_size": 17408, "max_position_embeddings": 40960, "max_window_layers": 40, "model_type": "qwen3",
    "num_attention_heads": 40, "num_hidden_layers": 40, "num_key_value_heads": 8, "rms_norm_eps": 1e-06,
    "rope_scaling": None, "rope_theta": 1000000, "sliding_window": None, "tie_word_embeddings": False,
    "torch_dtype": "bfloat16", "transformers_version": "4.51.0", "use_cache": True, "use_sliding_window": False,
    "vocab_size": 151936,
}  # fmt: skip
# phi-4: as published in December 2024, its empty auto_map included.
_PHI_4: dict[str, Any] = {
    "_name_or_path": "microsoft/phi-4", "architectures": ["Phi3ForCausalLM"], "attention_bias": False,
    "attention_dropout": 0.0, "auto_map": {}, "bos_token_id": 100257, "embd_pdrop": 0.0, "eos_token_id": 100257,
    "hidden_act": "silu", "hidden_size": 5120, "initializer_range": 0.02, "intermediate_size": 17920,
    "max_position_embeddings": 16384, "model_type": "phi3", "num_attention_heads": 40, "num_hidden_layers": 40,
    "num_key_value_heads": 10, "original_max_position_embeddings": 16384, "pad_token_id": 100257, "resid_pdrop": 0.0,
    "rms_norm_eps": 1e-05, "rope_scaling": None, "rope_theta": 250000, "sliding_window": None,
    "tie_word_embeddings": False, "torch_dtype": "bfloat16", "transformers_version": "4.47.0", "use_cache": True,
    "vocab_size": 100352,
}  # fmt: skip
# A fine-tune of Llama-3.1-8B, whose figures are in the document of Qwen3-14B; ChatML's <|im_end|> ends its turns.
_HERMES_3: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"], "attention_bias": False, "attention_dropout": 0.0, "bos_token_id": 128000,
    "eos_token_id": 128040, "hidden_act": "silu", "hidden_size": 4096, "initializer_range": 0.02,
    "intermediate_size": 14336, "max_position_embeddings": 131072, "mlp_bias": False, "model_type": "llama",
    "num_attention_heads": 32, "num_hidden_layers": 32, "num_key_value_heads": 8, "pretraining_tp": 1,
    "rms_norm_eps": 1e-05, "rope_theta": 500000.0, "tie_word_embeddings": False, "torch_dtype": "bfloat16",
    "rope_scaling": {
        "factor": 8.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0, "original_max_position_embeddings": 8192,
        "rope_type": "llama3",
    },
    "transformers_version": "4.43.0.dev0", "use_cache": True, "vocab_size": 128256,
}  # fmt: skip

PUBLISHED: dict[str, tuple[dict[str, Any], str, int]] = {
    "Qwen/Qwen3-14B": (_QWEN3_14B, "qwen", 14_768_307_200),
    "microsoft/phi-4": (_PHI_4, "phi", 14_659_507_200),
    "NousResearch/Hermes-3-Llama-3.1-8B": (_HERMES_3, "llama", 8_030_261_248),
}
"""Hub id → config.json, family, parameters as the Hub counts them in the weights."""


def config_json(model_id: str, **changes: Any) -> dict[str, bytes]:
    """The only file that a plan needs; a change to ``...`` removes a key."""
    config = {**PUBLISHED[model_id][0], **changes}
    return {"config.json": json.dumps({key: value for key, value in config.items() if value is not ...}).encode()}
