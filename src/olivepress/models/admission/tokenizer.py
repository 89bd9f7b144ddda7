"""The tokenizer of a model folder: there, of a form that the pinned transformers reads, within the embedding."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from olivepress.checkpoint import read_json
from olivepress.core.errors import RecipeError
from olivepress.models.admission.known import (
    architecture_of,
    is_of_transformers_5,
    tokenizer_classes,
    transformers_version,
)

__all__ = ["check_tokenizer"]

_LARGEST = 200_000_000
_SPECIAL = ("bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token")
_SEVERAL = ("additional_special_tokens", "extra_special_tokens", "added_tokens_decoder")
_V5_CLASSES = ("TokenizersBackend", "PythonBackend", "SentencePieceBackend", "MistralCommonBackend")


def check_tokenizer(directory: Path, config: Mapping[str, Any]) -> None:
    """Raises RecipeError when there is none, one of another transformers, or a token without a row in the embedding."""
    settings = directory / "tokenizer_config.json"
    if settings.exists():
        _check_settings(settings, read_json(settings), config)
    path, tokens = _vocabulary(directory)
    _check_ids(path, tokens.items(), config)
    _check_added(directory, set(tokens), config)


def _vocabulary(directory: Path) -> tuple[Path, dict[str, Any]]:
    """The file that holds the tokens, and their ids."""
    path = directory / "tokenizer.json"
    if not path.exists():
        if not ((directory / "vocab.json").exists() and (directory / "merges.txt").exists()):
            raise _missing(directory)
        return directory / "vocab.json", read_json(directory / "vocab.json")
    tokenizer = read_json(path, most_bytes=_LARGEST)
    if not isinstance(tokenizer.get("model"), Mapping):
        raise RecipeError(f"{path}: no key 'model', expected a tokenizer", next_step="fetch the file again")
    return path, dict(_tokens(path, tokenizer))


def _missing(directory: Path) -> RecipeError:
    if (directory / "tokenizer.model").exists():
        return RecipeError(
            f"{directory}: tokenizer.model without tokenizer.json, which is what training and the devices read",
            next_step="write it once where sentencepiece is installed: "
            "AutoTokenizer.from_pretrained(FOLDER).save_pretrained(FOLDER)",
        )
    return RecipeError(f"{directory}: no tokenizer.json in it", next_step="copy the model's tokenizer files into it")


def _check_settings(path: Path, settings: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    name = settings.get("tokenizer_class")
    if name is not None and (not isinstance(name, str) or name.removesuffix("Fast") not in tokenizer_classes(config)):
        origin = " (of transformers 5)" if name in _V5_CLASSES else ""
        raise RecipeError(
            f"{path}: key 'tokenizer_class' is {name!r}{origin}, which {transformers_version(config)} does not have",
            next_step=f'write "tokenizer_class": "PreTrainedTokenizerFast" into {path.name}',
        )
    extra = settings.get("extra_special_tokens")
    if extra is not None and not isinstance(extra, Mapping) and not is_of_transformers_5(config):
        raise RecipeError(
            f"{path}: key 'extra_special_tokens' is a list (of transformers 5), {transformers_version(config)} expects "
            "names and tokens, and fails",
            next_step="call the key additional_special_tokens",
        )


def _tokens(path: Path, tokenizer: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    vocabulary = tokenizer["model"].get("vocab", {})
    if isinstance(vocabulary, Mapping):
        yield from vocabulary.items()
    elif isinstance(vocabulary, list):  # Unigram: pieces with their scores, by number
        yield from ((str(piece), number) for number, piece in enumerate(vocabulary))
    else:
        raise RecipeError(f"{path}: key 'model.vocab' is not a vocabulary", next_step="fetch the file again")
    added = tokenizer.get("added_tokens") or []
    if not isinstance(added, list) or not all(isinstance(token, Mapping) for token in added):
        raise RecipeError(f"{path}: key 'added_tokens' is not a list of tokens", next_step="fetch the file again")
    for token in added:
        yield str(token.get("content")), token.get("id")


def _check_ids(path: Path, tokens: Any, config: Mapping[str, Any]) -> None:
    rows, last, largest = int(config["vocab_size"]), "", -1
    unused = architecture_of(config).tokens_without_row
    count = 0
    for token, number in tokens:
        if type(number) is not int or number < 0:
            raise RecipeError(f"{path}: token {token!r} has the id {number!r}, expected a whole number")
        count += 1
        if number > largest and token not in unused:
            last, largest = token, number
    if not count:
        raise RecipeError(f"{path}: a vocabulary without tokens", next_step="fetch the file again")
    if largest >= rows:
        raise RecipeError(
            f"{path}: token {last!r} has the id {largest}, the embedding has {rows} rows (vocab_size of config.json)",
            next_step="give the tokenizer that the model was trained with, or resize the embedding and train it first",
        )


def _check_added(directory: Path, tokens: set[str], config: Mapping[str, Any]) -> None:
    """A token that stands in the settings alone is put behind the vocabulary by transformers, without a word."""
    rows, unused = int(config["vocab_size"]), architecture_of(config).tokens_without_row
    for path, key, token in _named(directory):
        if token in tokens or token in unused:
            continue
        tokens.add(token)
        if len(tokens) > rows:
            raise RecipeError(
                f"{path}: {key}{token!r} is not in the vocabulary: transformers would add it with the id "
                f"{len(tokens) - 1}, the embedding has {rows} rows (vocab_size of config.json)",
                next_step="name a token that the model has, or resize the embedding and train it first",
            )


def _named(directory: Path) -> Iterator[tuple[Path, str, str]]:
    """(file, its key, token) of every token that the settings beside the vocabulary name."""
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        path = directory / name
        for key, value in (read_json(path) if path.exists() else {}).items():
            if key in _SPECIAL or key in _SEVERAL:
                yield from ((path, f"key {key!r}: ", token) for token in _texts(value))
    path = directory / "added_tokens.json"
    yield from ((path, "", token) for token in (read_json(path) if path.exists() else {}))


def _texts(value: Any) -> Iterator[str]:
    """The tokens of a setting: a text, an object with its ``content``, or several of them."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from (token for each in value for token in _texts(each) if isinstance(each, str | Mapping))
    elif isinstance(value, Mapping) and isinstance(value.get("content"), str):
        yield value["content"]
    elif isinstance(value, Mapping):
        yield from (token for each in value.values() for token in _texts(each) if isinstance(each, str | Mapping))
