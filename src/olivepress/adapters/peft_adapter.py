"""A PEFT LoRA adapter, read from its folder as it was trained, anywhere: what it says, and whether it is whole."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Iterator, Mapping
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
    refuse_what_lora_cannot_hold,
)
from olivepress.adapters.projections import Projection, projection_of_module
from olivepress.checkpoint import read_entries
from olivepress.core.errors import AdapterError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LoraPair", "PeftAdapter", "read_peft_adapter"]

WEIGHTS = "adapter_model.safetensors"
MATCHING_S = 9  # seconds for patterns of all modules; names that are written out take none
_KEY = re.compile(r"^(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.default)?\.weight$")
_AGAIN = "save the adapter again with PEFT's save_pretrained"
_DTYPES = frozenset({"F64", "F32", "F16", "BF16"})


@dataclass(frozen=True, kw_only=True)
class LoraPair:
    """``a`` [inputs, rank] and ``b`` [rank, outputs], float32, the scaling inside ``b``; ``tensor`` names B's key."""

    a: np.ndarray
    b: np.ndarray
    tensor: str

    @property
    def rank(self) -> int:
        return int(self.a.shape[1])


@dataclass(frozen=True, kw_only=True)
class PeftAdapter:
    """``r``, ``alpha`` as the config says them; ``pairs`` what they became with its patterns.

    ``everywhere`` are the names of ``target_modules`` that PEFT puts into every layer that has them; empty where the
    config limits them to some layers.
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

    Raises AdapterError for a folder that holds none, an adapter that LoRA inputs cannot hold (DoRA, LoHa, LoKr, bias,
    whole modules), and a tensor that is cut off, of another rank than its config says, unknown, or not finite.
    """
    config = read_config(directory / CONFIG)
    refuse_what_lora_cannot_hold(directory, config)
    tensors = dict(_tensors(directory / WEIGHTS))
    paths: dict[Projection, dict[str, tuple[str, str]]] = {}
    for key in tensors:
        found = _KEY.match(key)
        projection = projection_of_module(found[1]) if found else None
        if found is None or projection is None or len(found[1]) > MODULE_LENGTH:
            shown = key if len(key) <= MODULE_LENGTH else f"{key[:MODULE_LENGTH]}…"
            raise AdapterError(
                f"{directory}: tensor {shown} is not a LoRA matrix of a layer's projection", next_step=MERGE
            )
        twin = paths.setdefault(projection, {}).setdefault(found[2], (key, found[1]))
        if twin[0] != key:
            raise AdapterError(
                f"{directory}: tensors {twin[0]} and {key} are both of {projection}", next_step="save the adapter again"
            )
    pairs, begun = dict[Projection, LoraPair](), time.monotonic()
    for projection, halves in sorted(paths.items()):
        pairs[projection] = _pair(directory, config, tensors, halves)
        if time.monotonic() - begun > MATCHING_S:
            raise AdapterError(
                f"{directory / CONFIG}: rank_pattern and alpha_pattern take more than {MATCHING_S} s to match",
                next_step="write the names of the modules out",
            )
    if not pairs:
        raise AdapterError(f"{directory / WEIGHTS}: holds no tensor", next_step="train the adapter again")
    return PeftAdapter(
        directory=directory,
        base_model=str(config.get("base_model_name_or_path") or ""),
        r=int(config["r"]),
        alpha=float(config["lora_alpha"]),
        pairs=pairs,
        everywhere=named_everywhere(config),
    )


def _tensors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Every tensor as float32; AdapterError that names the one that is cut off."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        others = [other.name for other in path.parent.glob("adapter_model.*")]
        hint = f", found {others[0]}: only safetensors is read" if others else ""
        raise AdapterError(f"{path.parent}: no {WEIGHTS} in it{hint}", next_step=_AGAIN)
    try:
        with safe_open(str(path), framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (safe_open is no mapping)
                dtype = file.get_slice(name).get_dtype()
                if dtype not in _DTYPES:
                    raise AdapterError(
                        f"{path}: tensor {name} is of type {dtype}, expected floating-point numbers", next_step=_AGAIN
                    )
                yield name, file.get_tensor(name).float().numpy()
    except (SafetensorError, OSError) as error:
        raise AdapterError(f"{path}: {_cut(path) or error}", next_step="copy the adapter again") from error


def _cut(path: Path) -> str | None:
    """Which tensor of a safetensors file lies beyond its end; None when the header itself cannot be read."""
    try:
        entries, data = read_entries(path, AdapterError)
        ends = sorted((int(entry["data_offsets"][1]), name) for name, entry in entries.items())
    except (ValueError, KeyError, TypeError, IndexError, OverflowError):
        return None
    whole = path.stat().st_size
    lost = [name for end, name in ends if data + end > whole]
    return f"cut off, {len(lost)} of {len(ends)} tensors are not whole, first {lost[0]}" if lost else None


def _pair(
    directory: Path,
    config: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    halves: Mapping[str, tuple[str, str]],
) -> LoraPair:
    """A and B of one module with its scaling."""
    import numpy as np

    for letter, other in (("A", "B"), ("B", "A")):
        if letter not in halves:
            key = halves[other][0]
            raise AdapterError(f"{directory}: tensor {key} has no lora_{letter} beside it", next_step="save it again")
    (key_a, module), (key_b, _) = halves["A"], halves["B"]
    a, b = tensors[key_a], tensors[key_b]
    ranks = by_pattern(config.get("rank_pattern"), module, config["r"])
    r = a.shape[0] if a.ndim == 2 and a.shape[0] in ranks else ranks[0]
    for key, tensor, axis in ((key_a, a, 0), (key_b, b, 1)):
        if tensor.ndim != 2 or tensor.shape[axis] != r:
            raise AdapterError(
                f"{directory}: tensor {key} has shape {list(tensor.shape)}, its config says rank {r}",
                next_step="save the adapter again, with its own adapter_config.json",
            )
        if not np.isfinite(tensor).all():
            raise AdapterError(f"{directory}: tensor {key} is not finite", next_step="train the adapter again")
    alphas = by_pattern(config.get("alpha_pattern"), module, config["lora_alpha"])
    if len(alphas) > 1:
        raise AdapterError(
            f"{directory}: tensor {key_b} matches several alpha_pattern keys ({', '.join(map(str, alphas))}), and PEFT "
            "saves them sorted: which came first is lost",
            next_step="leave the pattern that holds in its adapter_config.json",
        )
    alpha = float(alphas[0])
    scaling = alpha / (math.sqrt(r) if config.get("use_rslora") else r)
    return LoraPair(a=np.ascontiguousarray(a.T), b=np.ascontiguousarray(b.T) * np.float32(scaling), tensor=key_b)
