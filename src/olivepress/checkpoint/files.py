"""The files of a model folder that transformers reads."""

from __future__ import annotations

from pathlib import Path

from olivepress.checkpoint.documents import read_json
from olivepress.checkpoint.header import StoredTensor, read_header
from olivepress.core.errors import RecipeError

__all__ = [
    "GENERATION_CONFIG",
    "SMALL_FILES",
    "TOKENIZER_FILES",
    "named_weights",
    "read_files",
    "stored_tensors",
    "weight_files",
]

_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_TEMPLATES = "additional_chat_templates"
GENERATION_CONFIG = "generation_config.json"
TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer.model",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
    "chat_template.jinja",
    "chat_template.json",
)
SMALL_FILES = (
    "config.json",
    GENERATION_CONFIG,
    _INDEX,
    *TOKENIZER_FILES,
    f"{_TEMPLATES}/*.jinja",
    "quantize_config.json",
    "quant_config.json",
)
"""The files of a model besides its weights."""
_PICKLED = (".bin", ".pt", ".pth", ".ckpt")
_AGAIN = "download or save the model again"


def weight_files(directory: Path) -> tuple[Path, ...]:
    """The safetensors files that transformers loads: ``model.safetensors``, or those that the index names.

    Raises RecipeError if there are none, the index cannot be read, or a shard that it names is missing.
    """
    if (directory / _SINGLE).is_file():
        return (directory / _SINGLE,)
    if not (directory / _INDEX).is_file():
        raise RecipeError(f"{directory}: no {_expected(directory)}", next_step=_AGAIN)
    return tuple(directory / name for name in sorted(set(_weight_map(directory).values())))


def named_weights(directory: Path) -> tuple[str, ...]:
    """Names of the weight files that transformers looks for, before they are in the folder."""
    shards = _weight_names(directory).values() if (directory / _INDEX).is_file() else ()
    return (_SINGLE, *sorted(set(shards)))


def _expected(directory: Path) -> str:
    """The missing files, and the files that are there instead."""
    stray = sorted(path.name for path in directory.glob("*.safetensors"))
    if stray:
        return f"{_SINGLE} and no {_INDEX}, which transformers reads (only {stray[0]} is there)"
    others = sorted(path.name for path in directory.glob("*") if path.suffix in _PICKLED)
    hint = f" (found {others[0]}: only safetensors is read)" if others else ""
    return f"*.safetensors weights{hint}"


def _weight_map(directory: Path) -> dict[str, str]:
    """Tensor → shard, from the index. Raises RecipeError when a shard is missing."""
    names = _weight_names(directory)
    for shard in sorted(set(names.values())):
        if not (directory / shard).is_file():
            message = f"{directory / _INDEX}: names {shard}, which is not in the folder"
            raise RecipeError(message, next_step="download the missing file")
    return names


def _weight_names(directory: Path) -> dict[str, str]:
    path = directory / _INDEX
    names = read_json(path, most_bytes=64_000_000).get("weight_map")
    if not isinstance(names, dict) or not names or not all(isinstance(name, str) for name in names.values()):
        raise RecipeError(f"{path}: key 'weight_map': expected tensor names and their files", next_step=_AGAIN)
    for shard in set(names.values()):
        if Path(shard).name != shard or "\\" in shard or not shard.endswith(".safetensors"):
            raise RecipeError(
                f"{path}: {shard!r} is not the name of a safetensors file in this folder", next_step=_AGAIN
            )
    return names


def stored_tensors(directory: Path) -> dict[str, StoredTensor]:
    """All tensors that transformers loads from the folder, each of them once, from the headers alone.

    Raises RecipeError as ``weight_files``, and if a file is incomplete or lacks a tensor that the index expects in it.
    """
    files = weight_files(directory)
    headers = {path.name: read_header(path) for path in files}
    if files[0].name != _SINGLE:
        for name, shard in _weight_map(directory).items():
            if name not in headers[shard]:
                where = directory / shard
                raise RecipeError(f"{where}: has no tensor {name}, which {_INDEX} expects in it", next_step=_AGAIN)
    return {name: tensor for header in headers.values() for name, tensor in header.items()}


def read_files(directory: Path) -> tuple[Path, ...]:
    """The files that training and merging read: config, tokenizer, templates and weights; no generation_config.json,
    no README, no images. Raises RecipeError as ``weight_files``."""
    small = [directory / name for name in ("config.json", _INDEX, *TOKENIZER_FILES)]
    templates = sorted((directory / _TEMPLATES).glob("*.jinja"))
    return (*(path for path in (*small, *templates) if path.is_file()), *weight_files(directory))
