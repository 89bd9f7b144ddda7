"""Reads a PEFT LoRA adapter from its folder, wherever it was trained, and checks that it is complete."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olivepress.adapters.peft_config import (
    CONFIG,
    MERGE,
    MODULE_LENGTH,
    by_pattern,
    named_everywhere,
    read_config,
    refuse_inexpressible,
)
from olivepress.adapters.projections import Projection, projection_of_module
from olivepress.checkpoint import read_entries
from olivepress.core.errors import AdapterError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LoraPair", "PeftAdapter", "read_peft_adapter"]

WEIGHTS = "adapter_model.safetensors"
MATCHING_S = 9  # seconds for matching patterns with all modules; full names take no time
_KEY = re.compile(r"^(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.default)?\.weight$")
_AGAIN = "save the adapter again with PEFT's save_pretrained"
_DTYPES = frozenset({"F64", "F32", "F16", "BF16"})


@dataclass(frozen=True, kw_only=True)
class LoraPair:
    """``a`` [inputs, rank] and ``b`` [rank, outputs], float32, with the scaling in ``b``; ``tensor`` is B's key."""

    a: np.ndarray
    b: np.ndarray
    tensor: str

    @property
    def rank(self) -> int:
        return int(self.a.shape[1])


@dataclass(frozen=True, kw_only=True)
class PeftAdapter:
    """``r`` and ``alpha`` are from the config; ``pairs`` apply its patterns.

    ``everywhere`` are the names in ``target_modules`` that PEFT adapts in every layer; empty where the config limits
    them to some layers.
    """

    directory: Path
    base_model: str
    r: int
    alpha: float
    pairs: Mapping[Projection, LoraPair]
    everywhere: tuple[str, ...] = ()

    @property
    def ranks(self) -> tuple[int, ...]:
        return tuple(sorted({pair.rank for pair in self.pairs.values()}))

    @property
    def target_modules(self) -> tuple[str, ...]:
        return tuple(sorted({projection.name for projection in self.pairs}))


def read_peft_adapter(directory: Path) -> PeftAdapter:
    """Read ``adapter_config.json`` and ``adapter_model.safetensors``; no pickled weights, no network.

    The scaling is lora_alpha / r (Hu et al. 2021), or lora_alpha / sqrt(r) with ``use_rslora`` (Kalajdzievski 2023), by
    the module's own ``rank_pattern`` and ``alpha_pattern`` where they match it.

    AdapterError for a folder without an adapter, an adapter that cannot be expressed as LoRA inputs (DoRA, LoHa, LoKr,
    bias, whole modules), and a tensor that is truncated, unknown, not finite, or of another rank than in the config.
    """
    config = read_config(directory / CONFIG)
    refuse_inexpressible(directory, config)
    tensors = dict(_tensors(directory / WEIGHTS))
    pairs, start = dict[Projection, LoraPair](), time.monotonic()
    for projection, halves in sorted(_halves(directory, tensors).items()):
        pairs[projection] = _pair(directory, config, tensors, halves)
        if time.monotonic() - start > MATCHING_S:
            raise AdapterError(
                f"{directory / CONFIG}: rank_pattern and alpha_pattern take more than {MATCHING_S} s to match",
                next_step="write out the names of the modules",
            )
    if not pairs:
        raise AdapterError(f"{directory / WEIGHTS}: contains no tensor", next_step="train the adapter again")
    return PeftAdapter(
        directory=directory,
        base_model=str(config.get("base_model_name_or_path") or ""),
        r=int(config["r"]),
        alpha=float(config["lora_alpha"]),
        pairs=pairs,
        everywhere=named_everywhere(config),
    )


def _halves(directory: Path, keys: Iterable[str]) -> dict[Projection, dict[str, tuple[str, str]]]:
    """Projection → A or B → (key, module) of its tensor. AdapterError for an unknown or a duplicate key."""
    halves: dict[Projection, dict[str, tuple[str, str]]] = {}
    for key in keys:
        match = _KEY.match(key)
        projection = projection_of_module(match[1]) if match else None
        if match is None or projection is None or len(match[1]) > MODULE_LENGTH:
            shown = key if len(key) <= MODULE_LENGTH else f"{key[:MODULE_LENGTH]}…"
            raise AdapterError(
                f"{directory}: tensor {shown} is not a LoRA matrix of a layer's projection", next_step=MERGE
            )
        first, _ = halves.setdefault(projection, {}).setdefault(match[2], (key, match[1]))
        if first != key:
            raise AdapterError(
                f"{directory}: tensors {first} and {key} are both of {projection}", next_step="save the adapter again"
            )
    return halves


def _tensors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Every (name, tensor as float32). AdapterError names a truncated tensor or one of another type."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        others = [other.name for other in path.parent.glob("adapter_model.*")]
        hint = f", only {others[0]}: expected safetensors" if others else ""
        raise AdapterError(f"{path.parent}: has no {WEIGHTS}{hint}", next_step=_AGAIN)
    try:
        with safe_open(str(path), framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (safe_open is not a mapping)
                dtype = file.get_slice(name).get_dtype()
                if dtype not in _DTYPES:
                    raise AdapterError(
                        f"{path}: tensor {name} is of type {dtype}, expected floating-point numbers", next_step=_AGAIN
                    )
                yield name, file.get_tensor(name).float().numpy()
    except (SafetensorError, OSError) as error:
        raise AdapterError(f"{path}: {_truncation(path) or error}", next_step="copy the adapter again") from error


def _truncation(path: Path) -> str | None:
    """The tensors of a safetensors file beyond its end; None when its header cannot be read or nothing is missing."""
    try:
        entries, data = read_entries(path, AdapterError)
        ends = sorted((int(entry["data_offsets"][1]), name) for name, entry in entries.items())
    except (ValueError, KeyError, TypeError, IndexError, OverflowError):
        return None
    whole = path.stat().st_size
    lost = [name for end, name in ends if data + end > whole]
    return f"truncated, {len(lost)} of {len(ends)} tensors are incomplete, first {lost[0]}" if lost else None


def _pair(
    directory: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    halves: Mapping[str, tuple[str, str]],
) -> LoraPair:
    """The pair of one module, scaled. AdapterError for a missing half, a wrong shape or rank, or values not finite."""
    import numpy as np

    for letter, other in (("A", "B"), ("B", "A")):
        if letter not in halves:
            key = halves[other][0]
            raise AdapterError(f"{directory}: tensor {key} has no matching lora_{letter}", next_step="save it again")
    (key_a, module), (key_b, _) = halves["A"], halves["B"]
    a, b = tensors[key_a], tensors[key_b]
    ranks = by_pattern(config.get("rank_pattern"), module, config["r"])
    r = a.shape[0] if a.ndim == 2 and a.shape[0] in ranks else ranks[0]
    for key, tensor, axis in ((key_a, a, 0), (key_b, b, 1)):
        if tensor.ndim != 2 or tensor.shape[axis] != r:
            raise AdapterError(
                f"{directory}: tensor {key} has shape {list(tensor.shape)}, its config has rank {r}",
                next_step="save the adapter again, with its own adapter_config.json",
            )
        if not np.isfinite(tensor).all():
            raise AdapterError(f"{directory}: tensor {key} is not finite", next_step="train the adapter again")
    alphas = by_pattern(config.get("alpha_pattern"), module, config["lora_alpha"])
    if len(alphas) > 1:
        raise AdapterError(
            f"{directory}: tensor {key_b} matches several alpha_pattern keys ({', '.join(map(str, alphas))}), and PEFT "
            "saves them sorted: their order is lost",
            next_step="leave only the correct pattern in its adapter_config.json",
        )
    alpha = float(alphas[0])
    scaling = alpha / (math.sqrt(r) if config.get("use_rslora") else r)
    return LoraPair(a=np.ascontiguousarray(a.T), b=np.ascontiguousarray(b.T) * np.float32(scaling), tensor=key_b)
