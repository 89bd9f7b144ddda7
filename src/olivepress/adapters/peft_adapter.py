"""A PEFT LoRA adapter, read from its folder as it was trained, anywhere: what it says, and whether it is whole."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from olivepress.adapters.projections import Projection, projection_of_module
from olivepress.bounded import HEADER, MB, open_regular, parse_json, read_json
from olivepress.errors import AdapterError

if TYPE_CHECKING:
    import numpy as np

__all__ = ["LoraPair", "PeftAdapter", "read_peft_adapter"]

CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_KEY = re.compile(r"^(?:base_model\.model\.)?(.+)\.lora_([AB])(?:\.default)?\.weight$")
_PATTERN = re.compile(r"[\w.\\*+?^$|()\[\]-]{1,300}")
_REPEATED_GROUP = re.compile(r"[)\]*+?][*+?]|\.[*+].*\.[*+].*\.[*+]")
_MERGE = "merge it: adapter_mode: merge in the recipe that trains it, or PEFT's merge_and_unload"
# What these say is held by A, B and the scaling, or says nothing of what the adapter computes.
_HELD = frozenset({
    "peft_type", "task_type", "inference_mode", "auto_mapping", "peft_version", "base_model_name_or_path", "revision",
    "r", "lora_alpha", "lora_dropout", "use_rslora", "rank_pattern", "alpha_pattern", "bias", "init_lora_weights",
    "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "eva_config", "runtime_config",
    "megatron_core", "qalora_group_size",
})  # fmt: skip
_WHY = {
    "use_dora": "DoRA rescales every column of the merged weight, which no LoRA input can hold",
    "modules_to_save": "it brings whole modules of its own",
    "trainable_token_indices": "it brings embeddings of its own",
    "lora_bias": "its B has a bias",
}
# These change the base's own weights when training starts: on the base as it is the adapter is wrong.
_CHANGES_BASE = re.compile(r"^(pissa|olora|corda|loftq|lora_ga)", re.IGNORECASE)


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
    """``r``, ``alpha`` as the config says them; ``pairs`` what they became with its patterns."""

    directory: Path
    base_model: str
    r: int
    alpha: float
    pairs: Mapping[Projection, LoraPair]

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
    config = _config(directory / CONFIG)
    _refuse_what_lora_cannot_hold(directory, config)
    tensors = dict(_tensors(directory / WEIGHTS))
    paths: dict[Projection, dict[str, tuple[str, str]]] = {}
    for key in tensors:
        found = _KEY.match(key)
        projection = projection_of_module(found[1]) if found else None
        if found is None or projection is None:
            raise AdapterError(f"{directory}: tensor {key} is no LoRA matrix of a layer's projection", next_step=_MERGE)
        paths.setdefault(projection, {})[found[2]] = (key, found[1])
    pairs = {projection: _pair(directory, config, tensors, halves) for projection, halves in sorted(paths.items())}
    if not pairs:
        raise AdapterError(f"{directory / WEIGHTS}: holds no tensor", next_step="train the adapter again")
    return PeftAdapter(
        directory=directory,
        base_model=str(config.get("base_model_name_or_path") or ""),
        r=int(config["r"]),
        alpha=float(config["lora_alpha"]),
        pairs=pairs,
    )


def _config(path: Path) -> dict[str, Any]:
    try:
        config = read_json(path, MB, AdapterError)
        if not isinstance(config, dict):
            raise ValueError("no object")
        if "peft_type" not in config:
            raise ValueError("no peft_type")
        return config
    except FileNotFoundError:
        raise AdapterError(f"{path.parent}: no {CONFIG} in it", next_step="give the folder of a PEFT adapter") from None
    except (OSError, ValueError, RecursionError) as error:
        raise AdapterError(f"{path}: not the config of a PEFT adapter ({error})") from None


def _refuse_what_lora_cannot_hold(directory: Path, config: Mapping[str, Any]) -> None:
    def refuse(what: str) -> AdapterError:
        return AdapterError(f"{directory}: {what}", next_step=_MERGE)

    if config["peft_type"] != "LORA":
        raise refuse(f"a {config['peft_type']} adapter, whose update is no product of two matrices of low rank")
    for key, value in config.items():
        if key not in _HELD and value not in (None, False, [], {}, ""):
            raise refuse(f"{key} is {value!r}: {_WHY.get(key, 'LoRA inputs cannot hold that')}")
    if config.get("bias", "none") != "none":
        raise refuse(f"it trained biases (bias: {config['bias']})")
    for key in ("rank_pattern", "alpha_pattern"):
        _check_patterns(directory / CONFIG, key, config.get(key))
    begun = config.get("init_lora_weights")
    if isinstance(begun, str) and _CHANGES_BASE.match(begun):
        raise refuse(f"init_lora_weights: {begun} changed the base's own weights")
    for key in ("r", "lora_alpha"):
        if not isinstance(config.get(key), int | float) or not 0 < config[key] <= 1_000_000:
            raise AdapterError(f"{directory / CONFIG}: {key} is {config.get(key)!r}, expected a positive number")


def _check_patterns(path: Path, key: str, patterns: Any) -> None:
    """Module names or simple regular expressions for them, to positive numbers; none that could match for ever."""
    for pattern, value in patterns.items() if isinstance(patterns, dict) else [("", patterns)] if patterns else []:
        plain = _PATTERN.fullmatch(pattern) and not _REPEATED_GROUP.search(pattern)
        if not plain or not isinstance(value, int | float) or not 0 < value <= 1_000_000:
            raise AdapterError(f"{path}: {key} has {ascii(pattern)[:60]}, expected names of modules and their numbers")
        try:
            re.compile(pattern)
        except re.error as error:
            raise AdapterError(f"{path}: {key}: {ascii(pattern)[:60]} is no regular expression ({error})") from None


def _tensors(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Every tensor as float32; AdapterError that names the one that is cut off."""
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        others = [other.name for other in path.parent.glob("adapter_model.*")]
        hint = f", found {others[0]}: only safetensors is read" if others else ""
        raise AdapterError(f"{path.parent}: no {WEIGHTS} in it{hint}", next_step="save the adapter again")
    try:
        with safe_open(str(path), framework="pt") as file:
            for name in file.keys():  # noqa: SIM118 (safe_open is no mapping)
                yield name, file.get_tensor(name).float().numpy()
    except (SafetensorError, OSError) as error:
        raise AdapterError(f"{path}: {_cut(path) or error}", next_step="copy the adapter again") from error


def _cut(path: Path) -> str | None:
    """Which tensor of a safetensors file lies beyond its end; None when the header itself cannot be read."""
    with open_regular(path, AdapterError) as file:
        size, whole = int.from_bytes(file.read(8), "little"), path.stat().st_size
        if size > HEADER:
            return None
        text = file.read(size)
    try:
        header = parse_json(text)
        ends = sorted((int(entry["data_offsets"][1]), name) for name, entry in header.items() if name != "__metadata__")
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, OverflowError):
        return None
    lost = [name for end, name in ends if 8 + size + end > whole]
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
    ranks = _by_pattern(config.get("rank_pattern"), module, config["r"])
    r = a.shape[0] if a.ndim == 2 and a.shape[0] in ranks else ranks[0]
    for key, tensor, axis in ((key_a, a, 0), (key_b, b, 1)):
        if tensor.ndim != 2 or tensor.shape[axis] != r:
            raise AdapterError(
                f"{directory}: tensor {key} has shape {list(tensor.shape)}, its config says rank {r}",
                next_step="save the adapter again, with its own adapter_config.json",
            )
        if not np.isfinite(tensor).all():
            raise AdapterError(f"{directory}: tensor {key} is not finite", next_step="train the adapter again")
    alphas = _by_pattern(config.get("alpha_pattern"), module, config["lora_alpha"])
    if len(alphas) > 1:
        raise AdapterError(
            f"{directory}: tensor {key_b} matches several alpha_pattern keys ({', '.join(map(str, alphas))}), and PEFT "
            "saves them sorted: which came first is lost",
            next_step="leave the pattern that holds in its adapter_config.json",
        )
    alpha = float(alphas[0])
    scaling = alpha / (math.sqrt(r) if config.get("use_rslora") else r)
    return LoraPair(a=np.ascontiguousarray(a.T), b=np.ascontiguousarray(b.T) * np.float32(scaling), tensor=key_b)


def _by_pattern(patterns: Any, module: str, default: Any) -> list[Any]:
    """The values of all patterns that match the module's path or its end, as PEFT matches (get_pattern_key), each once;
    ``default`` when none does. PEFT takes the first, but saves the patterns sorted."""
    matching = [value for pattern, value in (patterns or {}).items() if re.match(rf"(.*\.)?({pattern})$", module)]
    return list(dict.fromkeys(matching)) or [default]
