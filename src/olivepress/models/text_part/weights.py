"""The tensors of a text part: which of a checkpoint they are, and their files under the names of a text model."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from olivepress.checkpoint import StoredTensor
from olivepress.checkpoint.header import ITEM_BYTES
from olivepress.core.errors import RecipeError
from olivepress.core.progress import Progress
from olivepress.models.admission.layout import HEAD

__all__ = ["text_tensors", "write_text_weights"]

# The names on the Hub, and those of transformers since 4.52.
_TEXT = ("language_model.model.", "model.language_model.")
_HEADS = (HEAD, f"language_model.{HEAD}")
_OTHERS = re.compile(
    r"(model\.)?(vision_tower|visual|multi_modal_projector|embed_vision|embed_audio|vision_embedder|audio_tower|"
    r"multimodal_embedder)\.|mtp\."
)
_SINGLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_CHUNK = 1 << 24


def text_tensors(directory: Path, stored: Mapping[str, StoredTensor]) -> dict[str, StoredTensor]:
    """The tensors of the text part by their names in a text model.

    Raises RecipeError for a tensor of neither part, two of one name, and a checkpoint without a text part.
    """
    text: dict[str, StoredTensor] = {}
    for name, tensor in stored.items():
        own = _own_name(name)
        if own is None and _OTHERS.match(name):
            continue
        if own is None or own in text:
            problem = "belongs to no part that is known" if own is None else f"is there twice, as {own}"
            raise RecipeError(
                f"{tensor.path}: {name} {problem}: expected {' or '.join(f'{each}…' for each in _TEXT)}, or a tensor "
                "of the part for images",
                next_step="give the checkpoint as it was published, or its language model saved on its own",
            )
        text[own] = replace(tensor, name=own)
    if not text:
        raise RecipeError(
            f"{directory}: no tensor of a text part in the weights, expected {_TEXT[0]}… or {_TEXT[1]}…",
            next_step="give the checkpoint as it was published",
        )
    return text


def _own_name(name: str) -> str | None:
    if name in _HEADS:
        return HEAD
    for prefix in _TEXT:
        if name.startswith(prefix):
            return f"model.{name.removeprefix(prefix)}"
    return None


def write_text_weights(tensors: Mapping[str, StoredTensor], folder: Path, progress: Progress) -> None:
    """Copy the tensors, bit by bit, into safetensors files of ``folder``: one for each file that they come from."""
    groups: dict[Path, list[StoredTensor]] = {}
    for tensor in tensors.values():
        groups.setdefault(tensor.path, []).append(tensor)
    total = sum(tensor.end - tensor.start for tensor in tensors.values())
    names = [_SINGLE]
    if len(groups) > 1:
        names = [f"model-{number:05}-of-{len(groups):05}.safetensors" for number in range(1, len(groups) + 1)]
    done = 0
    for name, source in zip(names, sorted(groups), strict=True):
        with source.open("rb") as read, (folder / name).open("wb") as written:
            for tensor in _begin(sorted(groups[source], key=_order), written):
                done = _copy(tensor, read, written, done, total, progress)
    if len(groups) > 1:
        shards = {
            each.name: name for name, source in zip(names, sorted(groups), strict=True) for each in groups[source]
        }
        index = {"metadata": {"total_size": total}, "weight_map": dict(sorted(shards.items()))}
        (folder / _INDEX).write_text(json.dumps(index, indent=1) + "\n", encoding="utf-8")


def _order(tensor: StoredTensor) -> tuple[int, str]:
    """Wide numbers first, as safetensors writes them: each begins at a multiple of its width."""
    return -ITEM_BYTES.get(tensor.dtype, 1), tensor.name


def _begin(tensors: Sequence[StoredTensor], file: BinaryIO) -> Sequence[StoredTensor]:
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for tensor in tensors:
        end = position + tensor.end - tensor.start
        header[tensor.name] = {"dtype": tensor.dtype, "shape": list(tensor.shape), "data_offsets": [position, end]}
        position = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    return tensors


def _copy(tensor: StoredTensor, read: BinaryIO, written: BinaryIO, done: int, total: int, progress: Progress) -> int:
    read.seek(tensor.start)
    left = tensor.end - tensor.start
    while left:
        data = read.read(min(_CHUNK, left))
        if not data:
            raise RecipeError(f"{tensor.path}: ends within {tensor.name}", next_step="download the file again")
        written.write(data)
        left -= len(data)
        done += len(data)
        progress(done, total)
    return done
