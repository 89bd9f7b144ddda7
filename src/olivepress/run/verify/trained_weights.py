"""A model whose own weights were trained, compared with its base tensor by tensor."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from olivepress.core.artifact import Check
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
    """Every weight of the base is there; those that are trained are other ones, those that are frozen the same."""
    base, model = Weights(base_dir), Weights(model_dir)
    tied = "lm_head.weight" not in set(base)
    frozen = [name for name in base if is_frozen(name, freeze_layers, tied=tied)]
    trained = sorted(set(base).difference(frozen))
    still = [name for name in trained if not _is_changed(name, base, model)]
    yield Check(
        name="weights_trained",
        passed=bool(trained) and not still,
        value=float(len(trained) - len(still)),
        limit=float(len(trained)),
        detail=f"{still[0]} is the base's" if still else "tensors that training changed",
    )
    if freeze_layers:
        moved = [name for name in frozen if _is_changed(name, base, model)]
        yield Check(
            name="weights_frozen",
            passed=bool(frozen) and not moved,
            value=float(len(frozen) - len(moved)),
            limit=float(len(frozen)),
            detail=f"{moved[0]} has changed" if moved else f"tensors of the first {freeze_layers} layers and before",
        )


def _is_changed(name: str, base: Weights, model: Weights) -> bool:
    """A weight that the model lacks, or has in another shape, is no trained one."""
    if name not in model:
        return False
    before, after = base.read(name), model.read(name)
    return before.shape == after.shape and bool((before.to(after.dtype) != after).any())
