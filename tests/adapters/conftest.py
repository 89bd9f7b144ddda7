"""A small base graph as ModelBuilder names it, and PEFT adapters trained by nobody: their weights are drawn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

HIDDEN, QUERY, KEY, MIDDLE = 32, 32, 16, 48
LAYERS = 2


@pytest.fixture(scope="session")
def small_models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """PyTorch models of two layers: Phi-3 with fused projections, Llama without."""
    from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM, set_seed

    shape = {
        "hidden_size": HIDDEN, "intermediate_size": MIDDLE, "num_hidden_layers": LAYERS, "num_attention_heads": 4,
        "num_key_value_heads": 2, "vocab_size": 64, "pad_token_id": None, "bos_token_id": None, "eos_token_id": None,
    }  # fmt: skip
    set_seed(0)
    return {"phi": Phi3ForCausalLM(Phi3Config(**shape)), "llama": LlamaForCausalLM(LlamaConfig(**shape))}


MakeAdapter = Callable[..., Any]


@pytest.fixture
def make_adapter(small_models: dict[str, Any], tmp_path: Path) -> MakeAdapter:
    """Save a PEFT adapter of random weights below ``tmp_path``; returns (its folder, the PEFT model)."""

    def make(family: str, name: str = "adapter", **settings: Any) -> tuple[Path, Any]:
        from copy import deepcopy

        import torch
        from peft import LoraConfig, get_peft_model

        torch.manual_seed(len(name))
        fields = {"r": 4, "lora_alpha": 8, "init_lora_weights": False, "task_type": "CAUSAL_LM"} | settings
        model = get_peft_model(deepcopy(small_models[family]), LoraConfig(**fields))
        model.save_pretrained(str(tmp_path / name))
        return tmp_path / name, model

    return make


def base_inputs(*, packed: bool) -> dict[str, tuple[int, int]]:
    """Projection of a layer → (inputs, outputs), with query, key and value in one or apart."""
    attention = (
        {"qkv_proj": (HIDDEN, QUERY + 2 * KEY)}
        if packed
        else {"q_proj": (HIDDEN, QUERY), "k_proj": (HIDDEN, KEY), "v_proj": (HIDDEN, KEY)}
    )
    return attention | {
        "o_proj": (QUERY, HIDDEN), "gate_proj": (HIDDEN, MIDDLE), "up_proj": (HIDDEN, MIDDLE),
        "down_proj": (MIDDLE, HIDDEN),
    }  # fmt: skip


def deltas(model: Any) -> dict[tuple[int, str], np.ndarray]:
    """(layer, module) → what PEFT adds to its weight, transposed: [inputs, outputs]."""
    found = {}
    for name, module in model.named_modules():
        if hasattr(module, "get_delta_weight") and "default" in getattr(module, "lora_A", {}):
            parts = name.split(".")
            delta = module.get_delta_weight("default").detach().numpy().T
            found[int(parts[parts.index("layers") + 1]), parts[-1]] = delta
    assert found
    return found
