"""The tokenizer of a Hugging Face folder in a GGUF file, as llama.cpp's converter writes a byte-level BPE."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["describe_tokenizer", "splitter_name"]

NORMAL, CONTROL, USER_DEFINED, UNUSED = 1, 3, 4, 5  # llama.h, enum llama_token_type


def splitter_name(tokenizer: Mapping[str, Any]) -> str | None:
    """What llama.cpp calls the rule that splits texts before the merges (``tokenizer.ggml.pre``), None: not known here.

    Only the byte-level BPE with single digits of the SmolLM models is (llama.cpp, convert_hf_to_gguf.py).
    """
    splitter = tokenizer.get("pre_tokenizer") or {}
    parts = splitter.get("pretokenizers") or [splitter]
    kinds = [part.get("type") for part in parts]
    if tokenizer["model"]["type"] != "BPE" or tokenizer.get("normalizer") or kinds != ["Digits", "ByteLevel"]:
        return None
    digits, byte_level = parts
    plain = digits.get("individual_digits") and byte_level.get("use_regex", True)
    return "smollm" if plain and not byte_level.get("add_prefix_space") else None


def describe_tokenizer(writer: Any, model: Path, *, vocabulary: int) -> None:
    """Tokens in the order of their ids, their types, the merges, the special ids; no tokenizer where it is not known.

    ``vocabulary`` is what the embedding has rows for: ids without a token are written as unused ones.
    """
    file = model / "tokenizer.json"
    tokenizer = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None
    splitter = splitter_name(tokenizer) if tokenizer else None
    if tokenizer is None or splitter is None:
        writer.add_tokenizer_model("none")
        return
    tokens, types = [f"[PAD{number}]" for number in range(vocabulary)], [UNUSED] * vocabulary
    for text, number in tokenizer["model"]["vocab"].items():
        tokens[number], types[number] = text, NORMAL
    for added in tokenizer["added_tokens"]:
        tokens[added["id"]], types[added["id"]] = added["content"], CONTROL if added["special"] else USER_DEFINED
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(splitter)
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    merges = tokenizer["model"]["merges"]
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    for name, add in (("bos_token_id", writer.add_bos_token_id), ("eos_token_id", writer.add_eos_token_id)):
        number = config.get(name)
        if number is not None:
            add(number[0] if isinstance(number, list) else number)
    writer.add_add_bos_token(False)
