"""Added and special tokens from a model folder's tokenizer files, without the tokenizer, which devices do not have."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from olivepress.core.bounded import TOKENIZER, read_json
from olivepress.core.errors import JobError

__all__ = [
    "beginning_token",
    "control_pattern",
    "control_tokens",
    "end_token",
    "read_object",
    "special_tokens_map",
    "token_texts",
]


def control_tokens(model_dir: Path) -> frozenset[str]:
    """The texts that the tokenizer reads as control tokens: added tokens that are marked special, BOS, EOS and pad.

    Added tokens that are not marked special (``<think>``, ``<tool_call>``) are ordinary words that texts may use.
    """
    return _control_tokens(model_dir.absolute())


@lru_cache(maxsize=32)
def _control_tokens(model_dir: Path) -> frozenset[str]:
    special = {text for _, text, is_special in _added_tokens(model_dir) if is_special}
    return frozenset(text for text in {*special, *special_tokens_map(model_dir).values()} if len(text) > 1)


def control_pattern(model_dir: Path) -> re.Pattern[str] | None:
    """Matches any control token, the longest first as a tokenizer does; None where there are none."""
    return _pattern(control_tokens(model_dir))


@lru_cache(maxsize=32)
def _pattern(texts: frozenset[str]) -> re.Pattern[str] | None:
    if not texts:
        return None
    longest_first = sorted(texts, key=lambda text: (-len(text), text))
    return re.compile("|".join(re.escape(text) for text in longest_first))


def token_texts(model_dir: Path) -> Mapping[int, str]:
    """Id → text of the added tokens."""
    return {number: text for number, text, _ in _added_tokens(model_dir.absolute())}


@lru_cache(maxsize=32)
def _added_tokens(model_dir: Path) -> tuple[tuple[int, str, bool], ...]:
    """(id, text, special) from tokenizer.json and from tokenizer_config.json, which may add tokens."""
    tokens: dict[int, tuple[str, bool]] = {}
    listed = read_object(model_dir / "tokenizer.json").get("added_tokens")
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict):
            tokens |= _token(entry.get("id"), entry)
    decoder = read_object(model_dir / "tokenizer_config.json").get("added_tokens_decoder")
    for number, entry in decoder.items() if isinstance(decoder, dict) else ():
        if isinstance(entry, dict) and str(number).isdecimal():
            tokens |= _token(int(number), entry)
    return tuple((number, text, special) for number, (text, special) in sorted(tokens.items()))


def _token(number: Any, entry: Mapping[str, Any]) -> dict[int, tuple[str, bool]]:
    text = entry.get("content")
    return {number: (text, entry.get("special") is True)} if isinstance(number, int) and isinstance(text, str) else {}


def special_tokens_map(model_dir: Path) -> dict[str, str]:
    """``bos_token``, ``eos_token``, … → text, as a chat template is given them."""
    return dict(_special_tokens_map(model_dir.absolute()))


@lru_cache(maxsize=32)
def _special_tokens_map(model_dir: Path) -> tuple[tuple[str, str], ...]:
    texts: dict[str, str] = {}
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        for key, value in read_object(model_dir / name).items():
            text = value.get("content") if isinstance(value, dict) else value
            if key.endswith("_token") and isinstance(text, str):
                texts[key] = text
    return tuple(texts.items())


def end_token(model_dir: Path) -> int | None:
    """The id of the tokenizer's own ``eos_token``; None where its files name none, or have no such token."""
    text = special_tokens_map(model_dir).get("eos_token")
    if text is None:
        return None
    added = {content: number for number, content in token_texts(model_dir).items()}
    if text in added:
        return added[text]
    model = read_object(model_dir / "tokenizer.json").get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else read_object(model_dir / "vocab.json")
    number = vocabulary.get(text) if isinstance(vocabulary, dict) else None
    return number if isinstance(number, int) else None


def beginning_token(model_dir: Path) -> str:
    """The text of the BOS that the tokenizer itself puts before a text; "" when it does not.

    The classes of Llama and Gemma follow ``add_bos_token`` whatever tokenizer.json contains; others its post-processor.
    """
    bos = special_tokens_map(model_dir).get("bos_token", "")
    config = read_object(model_dir / "tokenizer_config.json")
    kind = str(config.get("tokenizer_class", "")).removesuffix("Fast")
    if kind in ("LlamaTokenizer", "GemmaTokenizer", "CodeLlamaTokenizer"):
        return bos if config.get("add_bos_token", True) is True else ""
    processor = read_object(model_dir / "tokenizer.json").get("post_processor")
    return bos if bos and bos in _first_tokens(processor) else ""


def _first_tokens(processor: Any) -> Iterator[str]:
    """The first special tokens of a post-processor's templates, or of the members of a sequence of post-processors."""
    if not isinstance(processor, dict):
        return
    if processor.get("type") == "TemplateProcessing":
        single = processor.get("single")
        first = single[0] if isinstance(single, list) and single else {}
        special = first.get("SpecialToken") if isinstance(first, dict) else None
        if isinstance(special, dict):
            yield str(special.get("id"))
    members = processor.get("processors")
    for member in members if isinstance(members, list) else ():
        yield from _first_tokens(member)


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file of the model; empty when the file is missing or contains something else.

    JobError when it is not JSON, or too large for a tokenizer's file.
    """
    if not path.is_file():
        return {}
    try:
        parsed = read_json(path, TOKENIZER, JobError)
    except (OSError, ValueError) as error:
        raise JobError(f"{path}: not readable as JSON", next_step="export the model again") from error
    return parsed if isinstance(parsed, dict) else {}
