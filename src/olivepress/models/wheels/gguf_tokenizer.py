"""The tokenizer of a GGUF file as the Hugging Face files that training and the devices read.

transformers converts a GGUF to a tokenizer with the right ids but the class of a sentencepiece tokenizer, and the
runtime then returns -1 for a newline. Here it is written as the byte-level BPE that it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from olivepress.core.errors import SetupError

__all__ = ["tokenizer_config", "tokenizer_json"]

_CONTROL = 3  # gguf.TokenType.CONTROL
_BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
# tokenizer.ggml.pre → how a text is split before it is merged.
_PRE_TOKENIZERS = {
    "smollm": {
        "type": "Sequence",
        "pretokenizers": [{"type": "Digits", "individual_digits": True}, _BYTE_LEVEL],
    },
    "gpt-2": _BYTE_LEVEL,
}
# Hugging Face's key → GGUF's.
_SPECIAL = {
    "bos_token": "tokenizer.ggml.bos_token_id",
    "eos_token": "tokenizer.ggml.eos_token_id",
    "pad_token": "tokenizer.ggml.padding_token_id",
    "unk_token": "tokenizer.ggml.unknown_token_id",
}


def tokenizer_json(values: Mapping[str, Any]) -> dict[str, Any]:
    """The content of tokenizer.json. ``values`` are the metadata of the GGUF file; SetupError for another kind."""
    kind, pre = values.get("tokenizer.ggml.model"), values.get("tokenizer.ggml.pre")
    if kind != "gpt2" or pre not in _PRE_TOKENIZERS:
        raise SetupError(
            f"tokenizer {kind!r} with pre-tokenizer {pre!r}, expected gpt2 with {' or '.join(_PRE_TOKENIZERS)}"
        )
    tokens: Sequence[str] = values["tokenizer.ggml.tokens"]
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [{"id": number, **added} for number, added in _control_tokens(values).items()],
        "normalizer": None,
        "pre_tokenizer": _PRE_TOKENIZERS[pre],
        "post_processor": None,
        "decoder": {**_BYTE_LEVEL, "add_prefix_space": True},
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            "ignore_merges": False,
            "vocab": {token: number for number, token in enumerate(tokens)},
            "merges": list(values["tokenizer.ggml.merges"]),
        },
    }


def tokenizer_config(values: Mapping[str, Any], context: int) -> dict[str, Any]:
    """The content of tokenizer_config.json, without the chat template, which has a file of its own."""
    tokens = values["tokenizer.ggml.tokens"]
    special = {name: tokens[int(values[key])] for name, key in _SPECIAL.items() if key in values}
    return {
        "add_prefix_space": bool(values.get("tokenizer.ggml.add_space_prefix", False)),
        "added_tokens_decoder": {str(number): added for number, added in _control_tokens(values).items()},
        **special,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context,
        "tokenizer_class": "GPT2Tokenizer",
    }


def _control_tokens(values: Mapping[str, Any]) -> dict[int, dict[str, Any]]:
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    pairs = zip(values["tokenizer.ggml.tokens"], values["tokenizer.ggml.token_type"], strict=True)
    return {number: {"content": token, **flags} for number, (token, kind) in enumerate(pairs) if kind == _CONTROL}
