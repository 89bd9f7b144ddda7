"""Random weights in the shape of a real model, to rehearse a run before downloading the model.

Names, shapes and order of the tensors come from the architecture built on PyTorch's meta device, which needs no memory;
the weights are drawn and written a slice at a time, so memory stays at a few hundred MB whatever the size.
"""

from __future__ import annotations

import functools
import hashlib
import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, BinaryIO

from olivepress.core.errors import RecipeError, SetupError
from olivepress.core.files import new_directory
from olivepress.core.progress import Progress
from olivepress.synthetic.special_tokens import SpecialTokens, special_tokens
from olivepress.synthetic.tokenizer import make_tokenizer

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MARKER", "make_random_model", "weight_bytes"]

MARKER = "random-weights.json"
"""File next to the weights: what they were made from. It shows that the weights are random and complete."""

_SHARD_BYTES = 2_000_000_000
_SLICE = 1 << 22  # numbers drawn at a time: 8 MB of random bits
_STD = 0.02  # initializer_range of the families
# Trained norm weights differ from 1 and from each other; exactly 1 would hide a norm that an export lost or swapped.
_NORM_STD = 0.05
# They multiply by 1 + weight: their norms are drawn around 0.
_NORMS_FROM_ZERO = frozenset({"gemma", "gemma2", "gemma3_text", "nemotron", "qwen3_5_text"})
_BYTES = {"bfloat16": 2, "float16": 2, "float32": 4}
_SAFETENSORS = {"bfloat16": "BF16", "float16": "F16", "float32": "F32"}


@dataclass(frozen=True, kw_only=True)
class _Tensor:
    """``mean`` and ``std`` are those of the distribution of its weights."""

    name: str
    shape: tuple[int, ...]
    mean: float = 0.0
    std: float = _STD

    @property
    def numel(self) -> int:
        count = 1
        for size in self.shape:
            count *= size
        return count


def make_random_model(
    config: Mapping[str, Any],
    out_dir: Path,
    *,
    seed: int,
    dtype: str = "bfloat16",
    progress: Progress | None = None,
) -> None:
    """Write a loadable Hugging Face model of ``config``'s shape to ``out_dir``: weights, configs and tokenizer.

    ``config`` is the content of a config.json. The same ``config``, ``seed`` and ``dtype`` give the same bytes on
    every machine. Everything is built beside ``out_dir`` and put in place at the end, so an interruption leaves no
    partial model; an ``out_dir`` that already contains exactly this model is left unchanged. ``progress`` gets the
    bytes written and their total.

    Raises RecipeError for a config that transformers cannot build or an unknown ``dtype``, SetupError if the disk
    has too little space or ``out_dir`` contains something else.
    """
    if dtype not in _BYTES:
        raise RecipeError(f"dtype {dtype!r} is not one of {', '.join(_BYTES)}")
    expected = _recipe_of(config, seed, dtype)
    if _is_complete(out_dir, expected):
        return
    vocab_size = int(config["vocab_size"])
    specials = special_tokens(str(config["model_type"]), vocab_size)
    values = _within_vocabulary(config, specials)
    tensors = _tensors(values)
    total = sum(tensor.numel for tensor in tensors) * _BYTES[dtype]
    with new_directory(out_dir) as partial:
        _check_disk(partial, total)
        make_tokenizer(vocab_size, specials, partial, model_max_length=int(config["max_position_embeddings"]))
        _write_configs(values, specials, partial, dtype)
        _write_weights(tensors, partial, seed=seed, dtype=dtype, report=_Counter(total, progress))
        _dump(partial / MARKER, expected)


def weight_bytes(config: Mapping[str, Any], *, dtype: str = "bfloat16") -> int:
    """Bytes of the weight files that ``make_random_model`` would write for ``config``, without headers."""
    specials = special_tokens(str(config["model_type"]), int(config["vocab_size"]))
    return sum(tensor.numel for tensor in _tensors(_within_vocabulary(config, specials))) * _BYTES[dtype]


def _recipe_of(config: Mapping[str, Any], seed: int, dtype: str) -> dict[str, Any]:
    text = json.dumps(config, sort_keys=True)
    return {"config_sha256": hashlib.sha256(text.encode()).hexdigest(), "seed": seed, "dtype": dtype, "format": 1}


def _is_complete(out_dir: Path, expected: dict[str, Any]) -> bool:
    if not out_dir.exists():
        return False
    marker = out_dir / MARKER
    if marker.is_file() and json.loads(marker.read_text(encoding="utf-8")) == expected:
        return True
    raise SetupError(
        f"{out_dir}: contains something other than this random model",
        next_step=f"remove {out_dir} or name another directory",
    )


def _check_disk(directory: Path, needed: int) -> None:
    free = shutil.disk_usage(directory).free
    if free < needed * 1.02:
        raise SetupError(
            f"{directory} has {free / 1e9:.1f} GB free, the random model needs {needed * 1.02 / 1e9:.1f} GB",
            next_step="free disk space",
        )


def _tensors(config: Mapping[str, Any]) -> list[_Tensor]:
    """The tensors of the checkpoint: saved parameters and buffers, without the copies of tied embeddings."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    values = dict(config)
    try:
        built = AutoConfig.for_model(values.pop("model_type"), **values)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(built)
    except (KeyError, TypeError, ValueError) as error:
        raise RecipeError(f"transformers cannot build this config: {error}") from error
    tied = set(model._tied_weights_keys or ()) if built.tie_word_embeddings else set()
    return [
        _Tensor(name=name, shape=tuple(tensor.shape), **(_of_norm(built.model_type, name) if tensor.dim() == 1 else {}))
        for name, tensor in model.state_dict().items()
        if name not in tied
    ]


def _of_norm(model_type: str, name: str) -> dict[str, float]:
    """The distribution of a norm's weights, or of a layer's own factor; {} for any other vector."""
    if name.endswith("layer_scalar"):
        return {"mean": 1.0, "std": _NORM_STD}
    if not name.endswith("norm.weight"):
        return {}
    from_zero = model_type in _NORMS_FROM_ZERO and not name.endswith("linear_attn.norm.weight")
    return {"mean": 0.0 if from_zero else 1.0, "std": _NORM_STD}


def _within_vocabulary(config: Mapping[str, Any], specials: SpecialTokens) -> dict[str, Any]:
    """``config`` with bos, eos and pad ids that exist; this changes only configs with a reduced vocabulary."""
    values = dict(config)
    for key, token in (("bos_token_id", specials.bos), ("eos_token_id", specials.eos), ("pad_token_id", specials.pad)):
        if any(index >= values["vocab_size"] for index in _as_list(values.get(key))):
            values[key] = specials.ids[token] if token else None
    return values


def _write_configs(config: Mapping[str, Any], specials: SpecialTokens, out_dir: Path, dtype: str) -> None:
    # Without a version, transformers 4.57 mistakes a large vocabulary for a broken tokenizer of Mistral.
    _dump(out_dir / "config.json", {"transformers_version": "4.57.1", **config, "torch_dtype": dtype})
    generation = {
        "_from_model_config": True,
        "bos_token_id": config.get("bos_token_id"),
        "eos_token_id": list(dict.fromkeys([*specials.stop_ids, *_as_list(config.get("eos_token_id"))])),
        "pad_token_id": specials.ids[specials.pad],
    }
    _dump(out_dir / "generation_config.json", {key: value for key, value in generation.items() if value is not None})


def _as_list(value: int | list[int] | None) -> list[int]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


class _Counter:
    """Adds up the bytes written and reports the sum."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self._total, self._progress, self._done = total, progress, 0

    def __call__(self, count: int) -> None:
        self._done += count
        if self._progress:
            self._progress(self._done, self._total)


def _write_weights(
    tensors: list[_Tensor], out_dir: Path, *, seed: int, dtype: str, report: Callable[[int], None]
) -> None:
    shards = _shards(tensors, _BYTES[dtype])
    files: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = "model.safetensors" if len(shards) == 1 else f"model-{number:05}-of-{len(shards):05}.safetensors"
        with (out_dir / name).open("wb") as file:
            _write_shard(file, shard, seed=seed, dtype=dtype, report=report)
        files.update({tensor.name: name for tensor in shard})
    if len(shards) > 1:
        size = sum(tensor.numel for tensor in tensors) * _BYTES[dtype]
        _dump(out_dir / "model.safetensors.index.json", {"metadata": {"total_size": size}, "weight_map": files})


def _shards(tensors: list[_Tensor], item_bytes: int) -> list[list[_Tensor]]:
    shards: list[list[_Tensor]] = [[]]
    size = 0
    for tensor in tensors:
        count = tensor.numel * item_bytes
        if shards[-1] and size + count > _SHARD_BYTES:
            shards.append([])
            size = 0
        shards[-1].append(tensor)
        size += count
    return shards


def _write_shard(
    file: BinaryIO, tensors: list[_Tensor], *, seed: int, dtype: str, report: Callable[[int], None]
) -> None:
    """One safetensors file: length of the header (8 bytes), JSON header, raw little-endian data.

    Not written by the safetensors library because it keeps a whole shard in memory twice.
    Format: https://huggingface.co/docs/safetensors
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for tensor in tensors:
        end = offset + tensor.numel * _BYTES[dtype]
        header[tensor.name] = {
            "dtype": _SAFETENSORS[dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, end],
        }
        offset = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    file.write(len(text).to_bytes(8, "little") + text)
    for tensor in tensors:
        for data in _values(tensor, seed=seed, dtype=dtype):
            file.write(data)
            report(len(data))


def _values(tensor: _Tensor, *, seed: int, dtype: str) -> Iterator[bytes]:
    """The tensor's bytes, a slice at a time. Each tensor has its own stream: adding one changes no other."""
    import numpy as np

    digest = hashlib.sha256(f"{seed}:{tensor.name}".encode()).digest()
    stream = np.random.Generator(np.random.PCG64(int.from_bytes(digest[:16], "little")))
    table = _quantiles(tensor.mean, tensor.std, dtype)
    for start in range(0, tensor.numel, _SLICE):
        count = min(_SLICE, tensor.numel - start)
        yield table[np.frombuffer(stream.bytes(2 * count), dtype="<u2")].tobytes()


@functools.lru_cache
def _quantiles(mean: float, std: float, dtype: str) -> NDArray[Any]:
    """65,536 quantiles of a normal distribution in ``dtype``'s bytes: random 16-bit numbers look weights up here.

    Ten times faster than drawing normals one by one, finer than the resolution of bfloat16, and the same on every
    machine (torch.randn depends on the available vector instructions).
    """
    import numpy as np
    import torch

    normal = NormalDist(mean, std)
    values = torch.tensor([normal.inv_cdf((k + 0.5) / 65536) for k in range(65536)], dtype=getattr(torch, dtype))
    return values.view(torch.uint8).numpy().view(np.dtype(f"<u{_BYTES[dtype]}"))


def _dump(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
