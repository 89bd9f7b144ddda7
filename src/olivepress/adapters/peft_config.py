"""Reads and checks ``adapter_config.json`` of a PEFT adapter, which is untrusted input.

Its patterns are regular expressions that PEFT matches against module names: only those whose matching time is bounded
are accepted.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from olivepress.adapters.peft_types import NEXT_STEP, REASONS
from olivepress.core.bounded import parse_json, read_text
from olivepress.core.errors import AdapterError
from olivepress.core.strict_json import strict_hooks

__all__ = [
    "CONFIG",
    "MERGE",
    "MODULE_LENGTH",
    "by_pattern",
    "named_everywhere",
    "read_config",
    "refuse_inexpressible",
]

# Python's own parser of regular expressions, which has no public name since 3.11.
sre, sre_parser = import_module("re._constants"), import_module("re._parser")
CONFIG = "adapter_config.json"
MAX_BYTES = 1_000_000
MAX_RANK = 65_536
MAX_PATTERNS, PATTERN_LENGTH, MODULE_LENGTH = 4096, 512, 128
CHOICES, LONG_REPEATS, FEW = 4, 2, 8  # of one pattern; a repeat of more than FEW is a long one
MERGE = "merge it: adapter_mode: merge in the recipe that trains it, or PEFT's merge_and_unload"
_SHOWN = 100  # characters of a value in a message
_HOOKS = strict_hooks("is not a number")
_AGAIN = "save the adapter again with PEFT's save_pretrained"
# Keys that A, B and the scaling express completely, or that do not affect what the adapter computes.
_EXPRESSIBLE = frozenset({
    "peft_type", "task_type", "inference_mode", "auto_mapping", "peft_version", "base_model_name_or_path", "revision",
    "r", "lora_alpha", "lora_dropout", "use_rslora", "rank_pattern", "alpha_pattern", "bias", "init_lora_weights",
    "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern", "eva_config", "runtime_config",
    "megatron_core", "qalora_group_size",
})  # fmt: skip
_REASON = {
    "use_dora": "DoRA rescales every column of the merged weight, which LoRA inputs cannot express",
    "modules_to_save": "it has whole modules of its own",
    "trainable_token_indices": "it has embeddings of its own",
    "target_parameters": "it changes parameters that are not projections",
    "layer_replication": "it repeats layers of the base",
    "lora_bias": "its B has a bias",
    "fan_in_fan_out": "its weights are stored transposed",
}
# These change the base's weights when training starts: with the original base the adapter is wrong.
_CHANGES_BASE = re.compile(r"^(pissa|olora|corda|loftq|lora_ga)", re.IGNORECASE)
_KEEPS_BASE = ("gaussian", "eva", "orthogonal")


def read_config(path: Path) -> dict[str, Any]:
    """The config with checked types. AdapterError names the file and the key."""
    config = _object(path)
    kind = config.get("peft_type")
    if not isinstance(kind, str):
        _bad(path, "peft_type", kind, "the name of a method, as LORA")
    base = config.get("base_model_name_or_path")
    if base is not None and not isinstance(base, str):
        _bad(path, "base_model_name_or_path", base, "a text")
    if kind == "LORA":
        _check_numbers(path, config)
        _check_choices(path, config)
    return config


def _object(path: Path) -> dict[str, Any]:
    try:
        config = parse_json(read_text(path, MAX_BYTES, AdapterError), **_HOOKS)
        if not isinstance(config, dict):
            raise ValueError("not an object")
        if "peft_type" not in config:
            raise ValueError("no peft_type")
        return config
    except FileNotFoundError:
        raise AdapterError(f"{path.parent}: has no {CONFIG}", next_step="give the folder of a PEFT adapter") from None
    except (OSError, ValueError, AdapterError) as error:
        reason = str(error).removeprefix(f"{path}: ").partition("; next: ")[0][:_SHOWN]
        raise AdapterError(f"{path}: not the config of a PEFT adapter ({reason})", next_step=_AGAIN) from None


def _bad(path: Path, key: str, value: Any, expected: str) -> NoReturn:
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else f"{shown[:_SHOWN]}…"
    raise AdapterError(f"{path}: {key} is {shown}, expected {expected}", next_step=_AGAIN)


def _is_rank(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_RANK


def _is_alpha(value: Any) -> bool:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return 0 < value < 1e30 and math.isfinite(value)


_RANK, _ALPHA = f"a whole number from 1 to {MAX_RANK}", "a positive number"


def _check_numbers(path: Path, config: Mapping[str, Any]) -> None:
    if not _is_rank(config.get("r")):
        _bad(path, "r", config.get("r"), _RANK)
    if not _is_alpha(config.get("lora_alpha")):
        _bad(path, "lora_alpha", config.get("lora_alpha"), _ALPHA)
    for key, fits, expected in (("rank_pattern", _is_rank, _RANK), ("alpha_pattern", _is_alpha, _ALPHA)):
        patterns = config.get(key)
        if patterns is None:
            continue
        if not isinstance(patterns, dict) or len(patterns) > MAX_PATTERNS:
            _bad(path, key, patterns, f"an object of at most {MAX_PATTERNS} patterns of module names")
        for pattern, value in patterns.items():
            problem = _pattern_problem(pattern)
            if problem:
                _bad(path, key, pattern, f"a pattern of module names ({problem})")
            if not fits(value):
                _bad(path, f"{key}[{pattern[:_SHOWN]!r}]", value, expected)


def _check_choices(path: Path, config: Mapping[str, Any]) -> None:
    for key in ("use_rslora", "use_dora", "fan_in_fan_out", "lora_bias"):
        if config.get(key) is not None and not isinstance(config[key], bool):
            _bad(path, key, config[key], "true or false")
    bias = config.get("bias", "none")
    if bias not in ("none", "all", "lora_only"):
        _bad(path, "bias", bias, "none, all or lora_only")
    initial = config.get("init_lora_weights", True)
    if not (isinstance(initial, bool | str) or initial is None):
        _bad(path, "init_lora_weights", initial, "true, false or the name of an initialization")
    for key in ("target_modules", "exclude_modules"):
        value = config.get(key)
        if not (value is None or isinstance(value, str) or _is_texts(value)):
            _bad(path, key, value, "names of modules")


def _is_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


def _pattern_problem(pattern: str) -> str:
    """The problem of a pattern of module names; "" when it can be matched."""
    if not pattern or len(pattern) > PATTERN_LENGTH:
        return f"1 to {PATTERN_LENGTH} characters"
    try:
        re.compile(rf"(.*\.)?({pattern})$")
        parsed = sre_parser.parse(pattern)
    except (re.error, OverflowError, RecursionError, MemoryError) as error:
        return f"not a regular expression: {str(error)[:_SHOWN]}"
    try:
        choices, long_repeats = _choices(parsed)
    except ValueError as error:
        return str(error)
    if choices > CHOICES or long_repeats > LONG_REPEATS:
        return (
            f"more than {CHOICES} repeats and alternatives, or {LONG_REPEATS} long repeats, may take forever to match"
        )
    return ""


_ATOMS = (sre.LITERAL, sre.NOT_LITERAL, sre.ANY, sre.IN, sre.CATEGORY, sre.AT)


def _choices(parsed: Any) -> tuple[int, int]:
    """(places where a match can continue in more than one way, how many of them are long repeats).

    ValueError for constructs that can multiply them, or that cannot be part of a name.
    """
    count = long_repeats = 0
    for kind, value in parsed:
        if kind in _ATOMS:
            continue
        if kind is sre.SUBPATTERN:
            inner = [_choices(value[-1])]
        elif kind is sre.BRANCH:
            inner = [(1, 0), *(_choices(part) for part in value[1])]
        elif kind in (sre.MAX_REPEAT, sre.MIN_REPEAT):
            if _choices(value[2]) != (0, 0):
                raise ValueError("a repeat of what can match in several ways may take forever to match")
            inner = [(1, int(value[1] > FEW))]
        else:
            raise ValueError(f"{str(kind).lower()} is not matched against module names")
        count += sum(choices for choices, _ in inner)
        long_repeats += sum(long for _, long in inner)
    return count, long_repeats


def named_everywhere(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Names in ``target_modules`` that apply to every layer; empty where the config limits the layers."""
    names = config.get("target_modules")
    limited = any(config.get(key) not in (None, [], "") for key in ("layers_to_transform", "exclude_modules"))
    if not isinstance(names, list) or limited:
        return ()
    return tuple(sorted(name for name in names if "." not in name))


def by_pattern(patterns: Mapping[str, Any] | None, module: str, default: Any) -> list[Any]:
    """The distinct values of all patterns that match the module's path or its end, as PEFT matches (get_pattern_key).

    ``[default]`` when none matches. PEFT uses the first match, but saves the patterns sorted.
    """
    matching = [value for pattern, value in (patterns or {}).items() if re.match(rf"(.*\.)?({pattern})$", module)]
    return list(dict.fromkeys(matching)) or [default]


def refuse_inexpressible(directory: Path, config: Mapping[str, Any]) -> None:
    """AdapterError for any method and any key whose effect A, B and the scaling cannot express."""

    def refuse(key: str, what: str, next_step: str = MERGE) -> AdapterError:
        return AdapterError(f"{directory / CONFIG}: {key}: {what}", next_step=next_step)

    kind = str(config["peft_type"])[:_SHOWN]
    if kind != "LORA":
        reason = REASONS.get(kind, "its update is not a product of two matrices of low rank")
        raise refuse("peft_type", f"a {kind} adapter: {reason}", NEXT_STEP.get(kind, MERGE))
    for key, value in config.items():
        if key not in _EXPRESSIBLE and value not in (None, False, [], {}, ""):
            shown = repr(value)[:_SHOWN]
            raise refuse(key[:_SHOWN], f"is {shown}: {_REASON.get(key, 'LoRA inputs cannot express it')}")
    if config.get("bias", "none") != "none":
        raise refuse("bias", f"it trained biases (bias: {config['bias']})")
    initial = config.get("init_lora_weights")
    if isinstance(initial, str) and initial.casefold() not in _KEEPS_BASE:
        if _CHANGES_BASE.match(initial):
            what = f"{initial[:_SHOWN]} changed the base's weights before training, the adapter is relative to those"
            raise refuse("init_lora_weights", what, _CONVERT)
        raise refuse("init_lora_weights", f"{initial[:_SHOWN]!r} is unknown, it may have changed the base's weights")


_CONVERT = (
    "save it with PEFT's path_initial_model_for_weight_conversion, which converts it to plain LoRA; or "
    "adapter_mode: merge in the recipe that trains it"
)
