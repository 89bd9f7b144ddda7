"""The shipped model directory: small, Phi-3 with grouped queries, its tokenizer lossless and without BOS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2
import pytest

from olivepress.synthetic.embedded import TASKS, TINY_PHI, generate

MOST_BYTES = 8_000_000
ROLES = ("<|system|>", "<|user|>", "<|assistant|>", "<|end|>", "<|endoftext|>")


def read(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((TINY_PHI / name).read_text("utf-8"))
    return loaded


def test_it_fits_into_the_wheel_and_carries_its_card() -> None:
    files = [path for path in Path(TINY_PHI).rglob("*") if path.is_file()]
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md"} <= {path.name for path in files}
    assert sum(path.stat().st_size for path in files) <= MOST_BYTES
    card = (TINY_PHI / "README.md").read_text("utf-8")
    assert all(word in card for word in ("synthetic", "steps", "loss", "cannot"))


def test_architecture_suits_grouped_query_attention_and_block_quantization() -> None:
    config = read("config.json")
    heads, groups = config["num_attention_heads"], config["num_key_value_heads"]
    assert (config["model_type"], config["torch_dtype"]) == ("phi3", "float32")
    assert groups < heads and heads % groups == 0
    assert (config["hidden_size"] // heads) % 16 == 0
    assert config["hidden_size"] % 128 == config["intermediate_size"] % 128 == 0


def test_generation_stops_at_both_ends_and_padding_is_neither() -> None:
    eos = read("generation_config.json")["eos_token_id"]
    ids = {token["content"]: token["id"] for token in read("tokenizer.json")["added_tokens"]}
    assert eos == [ids["<|end|>"], ids["<|endoftext|>"]]
    assert read("config.json")["pad_token_id"] == ids["<|pad|>"]
    assert ids["<|pad|>"] not in eos


def test_chat_template_writes_phi_roles_and_the_tokenizer_is_lossless_without_bos() -> None:
    # tokenizers and jinja2 alone: importing transformers would cost more than all other tests here
    tokenizer = pytest.importorskip("tokenizers").Tokenizer.from_file(str(TINY_PHI / "tokenizer.json"))
    template = jinja2.Template((TINY_PHI / "chat_template.jinja").read_text("utf-8"))
    assert read("tokenizer_config.json")["tokenizer_class"] == "PreTrainedTokenizerFast"
    for task in TASKS:
        for row in generate(task)["test"][:200]:
            chat = [{"role": "user", "content": row.prompt}]
            text = template.render(messages=chat, add_generation_prompt=True)
            assert text == f"<|user|>{row.prompt}<|end|><|assistant|>"
            encoded = tokenizer.encode(text)
            assert tokenizer.decode(encoded.ids, skip_special_tokens=False) == text
            assert encoded.ids == tokenizer.encode(text, add_special_tokens=False).ids
    for words in ("Grüße, 東京! 🫒", "  two  spaces\n\tand a tab "):
        assert tokenizer.decode(tokenizer.encode(words).ids) == words
    assert [len(tokenizer.encode(role).ids) for role in ROLES] == [1] * len(ROLES)
