"""A small random Phi-3 model with a real byte-level BPE tokenizer, and its ONNX exports: what the tests measure."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

TEMPLATE = (
    "{% for m in messages %}<|{{ m['role'] }}|>\n{{ m['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
SPECIALS = ["<|endoftext|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]
TEXTS = [
    'turn the lamp on {"name": "lamp", "state": "on"}',
    "what is the capital of the blue town",
    "sad happy calm 123",
]


def make_tokenizer(out_dir: Path, *, template: str | None = TEMPLATE) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=384, special_tokens=SPECIALS, initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    raw.train_from_iterator(TEXTS * 20, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=raw, eos_token="<|end|>", pad_token="<|endoftext|>", additional_special_tokens=SPECIALS[2:]
    )
    if template is not None:
        tokenizer.chat_template = template
    tokenizer.save_pretrained(out_dir)
    return tokenizer


def make_model(out_dir: Path, *, template: str | None = TEMPLATE, seed: int = 7) -> Path:
    import torch
    from transformers import Phi3Config, Phi3ForCausalLM

    tokenizer = make_tokenizer(out_dir, template=template)
    torch.manual_seed(seed)
    config = Phi3Config(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=256,
        original_max_position_embeddings=256,
        initializer_range=0.3,  # larger than usual: peaked distributions, so that greedy answers are not ties
        eos_token_id=tokenizer.convert_tokens_to_ids("<|end|>"),
        pad_token_id=tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        bos_token_id=None,
    )
    model = Phi3ForCausalLM(config).eval()
    model.save_pretrained(out_dir, safe_serialization=True)
    return out_dir


def export(model_dir: Path, out_dir: Path, precision: str, cache: Path) -> Path:
    os.environ["HF_HUB_OFFLINE"] = "1"
    from onnxruntime_genai.models.builder import create_model

    cache.mkdir(parents=True, exist_ok=True)
    create_model("", str(model_dir), str(out_dir), precision, "cpu", str(cache))
    return out_dir
