"""Small random models with the shapes and rope scaling of the real families."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from olivepress.catalog import families
from olivepress.synthetic.model import make_random_model

# No dimension of a linear layer may equal the vocabulary size: genai's builder takes such a layer for the head.
_SMALL = {
    "hidden_size": 128,
    "intermediate_size": 384,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "vocab_size": 608,
    "torch_dtype": "float32",
}

# name → (Hub id whose config is shrunk, changes)
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "phi4-longrope-extended-tied": (
        "microsoft/Phi-4-mini-instruct",
        # The long row reaches beyond 4096: the long factors are in use. With another switch genai would not notice that
        # an answer crosses it, and the export would be refused.
        # Head size 64: 48 rotated dimensions, the smallest that ONNX Runtime takes (half of them a multiple of 8).
        {"max_position_embeddings": 8192, "hidden_size": 256},
    ),
    "phi3-longrope-within-untied": (
        "microsoft/Phi-3.5-mini-instruct",
        {"max_position_embeddings": 8192, "tie_word_embeddings": False},
    ),
    "llama3-scaled-tied": ("meta-llama/Llama-3.2-1B-Instruct", {"head_dim": 32, "tie_word_embeddings": True}),
    "llama3-scaled-untied": ("meta-llama/Llama-3.1-8B-Instruct", {"head_dim": 32, "tie_word_embeddings": False}),
    "qwen2-tied": ("Qwen/Qwen2.5-0.5B-Instruct", {"tie_word_embeddings": True}),
    "qwen3-untied": ("Qwen/Qwen3-0.6B", {"head_dim": 32, "tie_word_embeddings": False}),
    # The prompts that are compared have 76 tokens and more: the window of 32 is left.
    "phi3-4k-window": ("microsoft/Phi-3-mini-4k-instruct", {"sliding_window": 32}),
    # Six layers: five see a window, the sixth sees all, each kind with its own rope.
    "gemma3-window-tied": (
        "google/gemma-3-270m-it",
        {"hidden_size": 256, "head_dim": 64, "query_pre_attn_scalar": 48, "num_hidden_layers": 6, "sliding_window": 32},
    ),
    "mistral-untied": ("mistralai/Mistral-7B-Instruct-v0.3", {}),
    # As odd as the real one: 64 divides its width and 128 does not.
    "smollm2-tied": (
        "HuggingFaceTB/SmolLM2-135M-Instruct",
        {"hidden_size": 192, "num_attention_heads": 3, "num_key_value_heads": 1},
    ),
}


def small_config(name: str) -> dict[str, Any]:
    """The real config of a catalog model, shrunk; rope scaling keeps its type and its factors, as many as fit."""
    hub_id, changes = CASES[name]
    facts = next(family.models[hub_id] for family in families().values() if hub_id in family.models)
    config = {**facts.config, **_SMALL, **changes}
    scaling = config.get("rope_scaling")
    if scaling and "short_factor" in scaling:
        head_size = config["hidden_size"] // config["num_attention_heads"]
        count = int(head_size * config.get("partial_rotary_factor", 1.0)) // 2
        cut = {key: list(scaling[key])[:count] for key in ("short_factor", "long_factor")}
        config["rope_scaling"] = {**scaling, **cut}
    if config.get("sliding_window") and "sliding_window" not in changes:
        config["sliding_window"] = config["max_position_embeddings"]
    if "layer_types" in config:
        config["layer_types"] = config["layer_types"][: config["num_hidden_layers"]]
    for key in ("bos_token_id", "eos_token_id", "pad_token_id"):
        config[key] = None
    return config


def make_small_model(name: str, directory: Path, *, seed: int = 0) -> None:
    """Write the random model of a case; its float32 weights are larger than init so that differences show."""
    make_random_model(small_config(name), directory, seed=seed, dtype="float32")


def write_recipe(path: Path, model: str, **changes: Any) -> None:
    """A recipe of four training steps for a small model. Random weights answer nothing right: few rows are asked."""
    finetune = {
        "torch_dtype": "float32", "max_steps": 4, "batch_size": 2, "save_steps": 1, "learning_rate": 0.01, "r": 4
    } | changes.pop("finetune", {})  # fmt: skip
    if finetune.get("method") == "full" or "start_from" in finetune:  # no adapter, or one that has its own
        del finetune["r"]
    data = {"demo": "device-command", "max_train_rows": 16, "max_test_rows": 4, "max_length": 512}
    lines = {
        "name": path.stem,
        "model": {"path": model},
        "data": data,
        "finetune": finetune,
        "targets": ["cpu-fp32"],
        "limits": {"rows": 40},
        "benchmark": {"workloads": [[16, 8]], "repetitions": 2, "max_examples": 2},
    } | changes
    import yaml

    path.write_text(yaml.safe_dump(lines, sort_keys=False))
