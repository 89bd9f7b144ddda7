"""A model whose own weights were trained, compared with its base tensor by tensor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from olivepress.checkpoint import read_json
from olivepress.core.artifact import Check
from olivepress.models.admission.layout import expected_tensors, is_tied
from olivepress.run.verify.tensors import Weights

__all__ = ["is_frozen", "trained_weights"]

_LAYER = re.compile(r"\.(?:layers|h|blocks)\.(\d+)\.")
_EMBEDDING = re.compile(r"(?:embed_tokens|wte)\.weight$")


def is_frozen(name: str, layers: int, *, tied: bool) -> bool:
    """Whether a weight of that name is not trained with ``freeze_layers: layers``; a tied head is the embedding."""
    if layers == 0:
        return False
    layer = _LAYER.search(name)
    if layer is not None:
        return int(layer[1]) < layers
    return bool(_EMBEDDING.search(name)) or (tied and name.startswith("lm_head."))


def trained_weights(base_dir: Path, model_dir: Path, freeze_layers: int) -> Iterator[Check]:
    """Every weight of the base's config.json is there; those that are trained differ, those that are frozen do not.

    What older versions stored beside the weights (computed buffers, a tied head) counts for nothing.
    """
    base, model = Weights(base_dir), Weights(model_dir)
    config = read_json(base_dir / "config.json")
    names, tied = sorted(expected_tensors(config)), is_tied(config)
    frozen = [name for name in names if is_frozen(name, freeze_layers, tied=tied)]
    trained = [name for name in names if name not in frozen]
    still = [name for name in trained if not _is_there(name, base, model) or _is_equal(name, base, model)]
    yield Check(
        name="weights_trained",
        passed=bool(trained) and not still,
        value=float(len(trained) - len(still)),
        limit=float(len(trained)),
        detail=_problem(still, base, model, "is the base's") or "tensors that training changed",
    )
    if freeze_layers:
        moved = [name for name in frozen if not _is_there(name, base, model) or not _is_equal(name, base, model)]
        yield Check(
            name="weights_frozen",
            passed=bool(frozen) and not moved,
            value=float(len(frozen) - len(moved)),
            limit=float(len(frozen)),
            detail=_problem(moved, base, model, "has changed")
            or f"tensors of the first {freeze_layers} layers and before",
        )


def _problem(names: list[str], base: Weights, model: Weights, text: str) -> str:
    """The first of ``names``, and what is wrong with it; empty without one."""
    if not names:
        return ""
    there = _is_there(names[0], base, model)
    return f"{names[0]} {text}" if there else f"{names[0]} is missing or has another shape"


def _is_there(name: str, base: Weights, model: Weights) -> bool:
    return name in base and name in model and base.read(name).shape == model.read(name).shape


def _is_equal(name: str, base: Weights, model: Weights) -> bool:
    before, after = base.read(name), model.read(name)
    return not bool((before.to(after.dtype) != after).any())
