"""A Llama of 0.4 B parameters, which benchmarks make with random weights."""

LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "torch_dtype": "float32", "attention_bias": False,
    "attention_dropout": 0.0, "mlp_bias": False, "hidden_act": "silu", "initializer_range": 0.02, "use_cache": True,
    "hidden_size": 1024, "intermediate_size": 2816, "num_hidden_layers": 24, "num_attention_heads": 16,
    "num_key_value_heads": 4, "head_dim": 64, "vocab_size": 32000, "tie_word_embeddings": False,
    "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "rope_theta": 500000.0, "pretraining_tp": 1,
    "bos_token_id": None, "eos_token_id": None, "pad_token_id": None, "rope_scaling": None,
}  # fmt: skip
