"""A synthetic tokenizer with the size of a real vocabulary, which determines memory, disk and time.

It is a valid byte-level BPE in which **every** id below ``vocab_size`` is a token: the 256 bytes, then all strings of
two, three, … letters and digits in order, each with the merges that make it. Role tokens have the ids of the
real family. Tokens have about three characters, close to a real tokenizer's four, so prompt lengths are realistic; the
tokens mean nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from olivepress.synthetic.special_tokens import SpecialTokens

__all__ = ["make_tokenizer"]

_LETTERS = "etaoinshrdlucmfwypvbgkjqxzETAOINSHRDLUCMFWYPVBGKJQXZ0123456789"
_SPACE = "\u0120"  # how byte-level BPE writes a space
# Text is split as by GPT-2's tokenizer, which both Hugging Face and GenAI know without a pattern.
_MODEL_CLASS = "GPT2Tokenizer"


def make_tokenizer(
    vocab_size: int,
    specials: SpecialTokens,
    out_dir: Path,
    *,
    chat_template: str | None = None,
    model_max_length: int = 131072,
) -> None:
    """Write ``tokenizer.json``, ``tokenizer_config.json`` and ``chat_template.jinja`` into ``out_dir``.

    ``vocab_size`` counts tokens, role tokens included; ids run from 0 without a gap. ``chat_template`` replaces the
    family's. Raises ValueError if the vocabulary cannot hold the 256 bytes and the role tokens.
    """
    if vocab_size < 256 + len(specials.ids):
        raise ValueError(f"a vocabulary of {vocab_size} cannot hold 256 bytes and {len(specials.ids)} role tokens")
    vocab, merges = _vocabulary(vocab_size, specials.ids)
    out_dir.mkdir(parents=True, exist_ok=True)
    _dump(out_dir / "tokenizer.json", _tokenizer_json(vocab, merges, specials))
    _dump(out_dir / "tokenizer_config.json", _tokenizer_config(specials, chat_template, model_max_length))
    (out_dir / "chat_template.jinja").write_text(chat_template or specials.chat_template, encoding="utf-8")


def _vocabulary(vocab_size: int, specials: Mapping[str, int]) -> tuple[dict[str, int], list[str]]:
    """Token → id in id order, and the merges in order of rank."""
    reserved = {index: token for token, index in specials.items()}
    pieces = _pieces()
    vocab: dict[str, int] = {}
    merges: list[str] = []
    for index in range(vocab_size):
        if index in reserved:
            vocab[reserved[index]] = index
            continue
        left, right = next(pieces)
        token = left + right
        vocab[token] = index
        # Every way to put the token together, not its own alone: a word that is a token is one then, whether words are
        # looked up first (GenAI, and Hugging Face by ``ignore_merges``) or not (transformers 5, which drops that).
        cuts = [(token[:cut], token[cut:]) for cut in range(len(token) - 1, 0, -1)]
        merges += [f"{first} {second}" for first, second in cuts if first in vocab and second in vocab]
    return vocab, merges


def _pieces() -> Iterator[tuple[str, str]]:
    """The 256 bytes as ("", byte), then every (token, letter) that makes a token one letter longer."""
    for character in _byte_characters():
        yield "", character
    level = [_SPACE, *_LETTERS]
    while True:
        longer = []
        for left in level:
            for right in _LETTERS:
                yield left, right
                longer.append(left + right)
        level = longer


def _byte_characters() -> list[str]:
    """The printable character that stands for each byte in byte-level BPE (GPT-2's mapping)."""
    printable = {*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    substitutes = iter(range(256, 512))
    return [chr(byte) if byte in printable else chr(next(substitutes)) for byte in range(256)]


def _tokenizer_json(vocab: dict[str, int], merges: list[str], specials: SpecialTokens) -> dict[str, Any]:
    byte_level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [
            {"id": index, "content": token, **_added_token()}
            for token, index in sorted(specials.ids.items(), key=lambda item: item[1])
        ],
        "normalizer": None,
        "pre_tokenizer": byte_level,
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": None,
            "end_of_word_suffix": None,
            "fuse_unk": False,
            "byte_fallback": False,
            # GenAI looks up whole words before it merges; this makes Hugging Face do the same (as in Llama 3).
            "ignore_merges": True,
            "vocab": vocab,
            "merges": merges,
        },
    }


def _tokenizer_config(specials: SpecialTokens, chat_template: str | None, model_max_length: int) -> dict[str, Any]:
    return {
        "added_tokens_decoder": {
            str(index): {"content": token, **_added_token()} for token, index in specials.ids.items()
        },
        "add_prefix_space": False,
        "bos_token": specials.bos,
        "eos_token": specials.eos,
        "pad_token": specials.pad,
        # Without it, GPT2TokenizerFast would add its own <|endoftext|> with an extra id.
        "unk_token": specials.pad,
        "chat_template": chat_template or specials.chat_template,
        "clean_up_tokenization_spaces": False,
        "model_max_length": model_max_length,
        "tokenizer_class": _MODEL_CLASS,
    }


def _added_token() -> dict[str, bool]:
    return {"lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": True}


def _dump(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
