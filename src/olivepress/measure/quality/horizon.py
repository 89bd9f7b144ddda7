"""The length of a reference text: beyond every position from which a model, by its config, computes differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["MARGIN", "Horizon", "Switch", "horizon", "switches"]

MARGIN = 64  # tokens that are read beyond the last switch
_USUAL = 512  # tokens, where a config names no switch: more than one page of any cache
# Limits of one pass over the row: 15 minutes on two desktop cores (1e11 operations/s), and memory besides the weights.
_MOST_OPERATIONS, _MOST_BYTES = 1.0e14, 4 * 1024**3
_WINDOWS = ("sliding_window", "sliding_window_size", "attention_chunk_size", "local_attention", "window_size")
_ORIGINAL = "original_max_position_embeddings"
_ROPES = ("rope_scaling", "rope_parameters")
_BY_LENGTH = ("longrope", "su", "dynamic")  # ropes that change for all positions when a text grows past the switch


@dataclass(frozen=True, kw_only=True)
class Switch:
    """Something changes ``at`` this number of tokens, the value of ``key`` in config.json.

    ``by_length``: it changes for the whole text, not only for what follows.
    """

    key: str
    at: int
    by_length: bool = False


@dataclass(frozen=True, kw_only=True)
class Horizon:
    """``length`` of the text in tokens, the switches inside it, and a note on what lies ``beyond``, "" when nothing."""

    length: int
    switches: tuple[Switch, ...]
    beyond: str = ""


def horizon(config: Mapping[str, Any], parameters: int) -> Horizon:
    """The text for a model with this config.json: beyond the last switch that memory and time allow."""
    named, context = switches(config), _number(config, "max_position_embeddings")
    within = [switch for switch in named if context is None or switch.at < context]
    allowed = [switch for switch in within if not _too_much(config, parameters, switch.at + MARGIN)]
    length = max((switch.at + MARGIN for switch in allowed), default=0)
    usual = next((size for size in (_USUAL, 256, 128) if not _too_much(config, parameters, size)), 128)
    length = max(length, usual)
    if context is not None:
        length = min(length, context)
    left = [
        f"{switch.key} {switch.at} ({_too_much(config, parameters, switch.at + MARGIN)})"
        for switch in within
        if switch not in allowed
    ]
    beyond = f"positions beyond {length} were not compared: {', '.join(left)}" if left else ""
    return Horizon(length=length, switches=tuple(s for s in allowed if s.at < length), beyond=beyond)


def switches(config: Mapping[str, Any]) -> tuple[Switch, ...]:
    """Windows, chunks and original lengths in a config, nested entries included, in ascending order."""
    nearest: dict[int, Switch] = {}
    for switch in (*_windows(config), *_ropes(config)):
        if switch.at not in nearest or switch.by_length:
            nearest[switch.at] = switch
    return tuple(nearest[at] for at in sorted(nearest))


def _windows(config: Mapping[str, Any]) -> Iterator[Switch]:
    unused = config.get("use_sliding_window") is False
    for key in _WINDOWS:
        size = _number(config, key)
        if size is not None and size > 1 and not (unused and key.startswith("sliding_window")):
            yield Switch(key=key, at=size)


def _ropes(config: Mapping[str, Any]) -> Iterator[Switch]:
    """transformers 4 has one ``rope_scaling``, 5 ``rope_parameters``, by kind of layer where a model has several."""
    for name in _ROPES:
        entry = config.get(name)
        if not isinstance(entry, Mapping):
            continue
        for rope in (entry, *(part for part in entry.values() if isinstance(part, Mapping))):
            kind = rope.get("rope_type", rope.get("type"))
            at = _number(rope, _ORIGINAL) or _number(config, _ORIGINAL)
            if kind not in (None, "default") and at is not None:
                yield Switch(key=_ORIGINAL, at=at, by_length=kind in _BY_LENGTH)


def _number(config: Mapping[str, Any], key: str) -> int | None:
    value = config.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _too_much(config: Mapping[str, Any], parameters: int, tokens: int) -> str:
    """The cost of one pass over that many tokens where it exceeds the limits, else ""."""
    hidden, layers = _number(config, "hidden_size") or 1, _number(config, "num_hidden_layers") or 1
    inner = _number(config, "intermediate_size") or 4 * hidden
    # Float32 activations of one layer, and the mask of its attention; products with weights, and of attention.
    size = tokens * 4 * (8 * hidden + 4 * inner) + tokens**2
    operations = 2.0 * parameters * tokens + 4.0 * layers * hidden * tokens**2
    if size > _MOST_BYTES:
        return f"{size / 1e9:.1f} GB"
    if operations > _MOST_OPERATIONS:
        return f"about {operations / 1.0e11 / 60:.0f} minutes a pass on two cores"
    return ""
