"""Repairs of a model's loaded config, before onnxruntime-genai's builder reads it.

A family's YAML names those that it needs under ``repairs``. Each is a small function: what the builder reads otherwise
than transformers writes it, and where that was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from olivepress.core.errors import JobError

__all__ = ["REPAIRS", "apply_repairs"]

Repair = Callable[[Any], None]


def longrope_type(config: Any) -> None:
    """transformers 5 names the scaling in ``rope_type`` alone; the builder reads ``type`` (genai 0.18.0,
    builders/base.py: ``config.rope_scaling["type"]``)."""
    scaling = getattr(config, "rope_parameters", None)
    if isinstance(scaling, dict) and scaling.get("rope_type") == "longrope":
        scaling.setdefault("type", "longrope")


def uniform_window(config: Any) -> None:
    """Without ``layer_types`` the builder of 0.18.0 takes every layer for one that sees everything, and drops the
    window of models whose layers all have one (Phi-3-4k, Mistral 0.1)."""
    if getattr(config, "sliding_window", None) and not getattr(config, "layer_types", None):
        config.layer_types = ["sliding_attention"] * config.num_hidden_layers


REPAIRS: Mapping[str, Repair] = {repair.__name__: repair for repair in (longrope_type, uniform_window)}


def apply_repairs(names: Sequence[str], config: Any) -> None:
    """Change ``config`` in place. Raises JobError for a name that is none of ``REPAIRS``."""
    for name in names:
        if name not in REPAIRS:
            raise JobError(f"no repair {name!r} of a model's config; known: {', '.join(sorted(REPAIRS))}")
        REPAIRS[name](config)
