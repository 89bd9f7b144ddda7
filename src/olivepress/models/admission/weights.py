"""The weights of a model folder against its config.json, from the headers alone."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from olivepress.checkpoint import StoredTensor
from olivepress.core.errors import RecipeError
from olivepress.models.admission.layout import EMBEDDING, HEAD, expected_tensors, is_tied

__all__ = ["check_weights"]

_FLOATS = ("F32", "BF16", "F16")
_PACKED = re.compile(r"\.(qweight|qzeros|scales|g_idx|absmax|quant_map|quant_state\..*|weight_packed|weight_scale.*)$")
# Buffers that older versions saved and newer ones compute.
_COMPUTED = re.compile(r"rotary_emb\.inv_freq$|self_attn\.(masked_)?bias$")
_AGAIN = "download or save the model again"
_QUANTIZED = "give the model that this was quantized from (method: qlora trains it in 4 bits)"
_SAMPLES, _SAMPLE_BYTES = 64, 1 << 16


def check_weights(directory: Path, config: Mapping[str, Any], stored: Mapping[str, StoredTensor]) -> None:
    """Raises RecipeError: quantized weights, a tensor too many, too few or of another shape, a head that is tied in
    the config and not in the weights."""
    expected = expected_tensors(config)
    for tensor in stored.values():
        _check_dtype(tensor)
    for name, shape in expected.items():
        if name not in stored:
            raise _missing(directory, name, stored)
        if stored[name].shape != shape:
            raise RecipeError(
                f"{stored[name].path}: {name} is {_as_text(stored[name].shape)}, expected {_as_text(shape)} by "
                f"{directory / 'config.json'} ({_reason(name)})",
                next_step="correct config.json, or give the weights that it belongs to",
            )
    for name, tensor in stored.items():
        if name == HEAD and is_tied(config):
            _check_tied(directory, stored)
        elif name not in expected and not _COMPUTED.search(name):
            raise _unexpected(directory, tensor, expected)


def _check_dtype(tensor: StoredTensor) -> None:
    if tensor.dtype == "F64" and not _COMPUTED.search(tensor.name):
        raise RecipeError(
            f"{tensor.path}: {tensor.name} is F64, expected {', '.join(_FLOATS)}",
            next_step="save the model in float32 or bfloat16",
        )
    if (tensor.dtype not in _FLOATS and not _COMPUTED.search(tensor.name)) or _PACKED.search(tensor.name):
        raise RecipeError(
            f"{tensor.path}: {tensor.name} is {tensor.dtype}: the weights are quantized already, expected "
            f"{', '.join(_FLOATS)}: merging and exporting need the unquantized model",
            next_step=_QUANTIZED,
        )


def _missing(directory: Path, name: str, stored: Mapping[str, StoredTensor]) -> RecipeError:
    if name.removeprefix("model.") in stored:
        message, step = f"tensors are named without 'model.' ({name.removeprefix('model.')})", "save it as a causal LM"
        return RecipeError(f"{directory}: {message}: a model without its head, expected {HEAD} too", next_step=step)
    prefixed = next((other for other in stored if other.endswith(f".{name}")), None)
    if prefixed is not None:
        before = prefixed.removesuffix(name)
        message = f"tensors stand under {before!r} ({prefixed}): part of a larger model or an adapter's wrapper"
        return RecipeError(f"{directory}: {message}, expected {name}", next_step="save the language model on its own")
    if name == HEAD:
        return RecipeError(
            f"{directory}: no {HEAD} in the weights, and tie_word_embeddings is not true in config.json: the head "
            "would be random",
            next_step='write "tie_word_embeddings": true into config.json if the model was trained so',
        )
    layers = 1 + max((int(part[1]) for part in map(_LAYER.match, stored) if part), default=-1)
    return RecipeError(
        f"{directory}: the weights have no {name}, which config.json asks for (there are {layers} layers): it would be "
        "random",
        next_step="correct num_hidden_layers or the key that asks for it, or fetch the missing weights",
    )


_LAYER = re.compile(r"model\.layers\.(\d+)\.")


def _unexpected(directory: Path, tensor: StoredTensor, expected: Mapping[str, Any]) -> RecipeError:
    """A tensor that transformers would leave out with a warning: the model was trained with it."""
    layer = _LAYER.match(tensor.name)
    layers = sum(name.endswith("input_layernorm.weight") for name in expected)
    if layer and int(layer[1]) >= layers:
        hint = f"num_hidden_layers is {layers} in config.json"
    elif tensor.name.endswith(".bias"):
        hint = "config.json asks for no such bias (attention_bias, mlp_bias)"
    else:
        near = difflib.get_close_matches(tensor.name, expected, n=1)
        hint = f"nearest: {near[0]}" if near else "no such tensor in a model of this config.json"
    return RecipeError(
        f"{tensor.path}: {tensor.name} would be left out silently: {hint}",
        next_step=f"correct {directory / 'config.json'}, or give the weights that it belongs to",
    )


def _check_tied(directory: Path, stored: Mapping[str, StoredTensor]) -> None:
    """A head beside a tied embedding must be the embedding: transformers takes the embedding and leaves it out."""
    head, embedding = stored[HEAD], stored[EMBEDDING]
    if head.shape == embedding.shape and head.dtype == embedding.dtype and _sample(head) == _sample(embedding):
        return
    raise RecipeError(
        f"{head.path}: {HEAD} differs from {EMBEDDING}, and tie_word_embeddings is true in config.json: the head would "
        "be left out",
        next_step=f'write "tie_word_embeddings": false into {directory / "config.json"} if the model was trained so',
    )


def _sample(tensor: StoredTensor) -> bytes:
    """Blocks spread over the tensor: all of a small one."""
    size = tensor.end - tensor.start
    with tensor.path.open("rb") as file:
        blocks = []
        for offset in range(0, size, max(size // _SAMPLES, _SAMPLE_BYTES)):
            file.seek(tensor.start + offset)
            blocks.append(file.read(min(_SAMPLE_BYTES, size - offset)))
    return b"".join(blocks)


def _reason(name: str) -> str:
    """The keys that a tensor's shape comes from."""
    if name in (EMBEDDING, HEAD):
        return "vocab_size × hidden_size"
    if "mlp." in name:
        return "intermediate_size, hidden_size"
    if "_proj" in name:
        return "num_attention_heads, num_key_value_heads, head_dim, hidden_size"
    return "head_dim" if "self_attn" in name else "hidden_size"


def _as_text(shape: tuple[int, ...]) -> str:
    return " × ".join(map(str, shape))
