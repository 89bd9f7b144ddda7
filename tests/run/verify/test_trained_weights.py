"""A model whose own weights were trained: what has to change has, and what is frozen has not."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import save_file

from olivepress.core.artifact import Check
from olivepress.run.verify.trained_weights import is_frozen, trained_weights

NAMES = ("model.embed_tokens.weight", "model.layers.0.mlp.weight", "model.layers.1.mlp.weight", "model.norm.weight")


def folder(path: Path, **changes: float) -> Path:
    """A model of four tensors; ``changes``: a part of a name → what is added to the tensor."""
    path.mkdir()
    tensors = {}
    for number, name in enumerate(NAMES):
        added = sum(value for part, value in changes.items() if part in name.replace(".", "_"))
        tensors[name] = torch.full((2, 3), float(number)) + added
    save_file(tensors, str(path / "model.safetensors"))
    return path


def checks(base: Path, model: Path, layers: int) -> dict[str, Check]:
    return {check.name: check for check in trained_weights(base, model, layers)}


def test_every_trained_weight_has_changed(tmp_path: Path) -> None:
    base = folder(tmp_path / "base")
    all_changed = checks(base, folder(tmp_path / "all", model=0.5), 0)
    assert list(all_changed) == ["weights_trained"] and all_changed["weights_trained"].passed
    assert all_changed["weights_trained"].value == all_changed["weights_trained"].limit == 4
    [still] = checks(base, folder(tmp_path / "some", layers=0.5, norm=0.5), 0).values()
    assert not still.passed and still.value == 3 and still.detail == "model.embed_tokens.weight is the base's"


def test_frozen_weights_are_the_bases(tmp_path: Path) -> None:
    base = folder(tmp_path / "base")
    good = checks(base, folder(tmp_path / "good", layers_1=0.5, norm=0.5), 1)
    assert good["weights_trained"].passed and good["weights_frozen"].passed
    assert (good["weights_trained"].limit, good["weights_frozen"].limit) == (2, 2)
    bad = checks(base, folder(tmp_path / "bad", model=0.5), 1)
    assert bad["weights_trained"].passed and not bad["weights_frozen"].passed
    assert bad["weights_frozen"].detail == "model.embed_tokens.weight has changed"


@pytest.mark.parametrize(
    ("name", "layers", "tied", "frozen"),
    [
        ("model.layers.10.mlp.weight", 2, True, False),
        ("model.layers.1.mlp.weight", 2, True, True),
        ("model.embed_tokens.weight", 2, True, True),
        ("model.embed_tokens.weight", 0, True, False),
        ("lm_head.weight", 2, True, True),
        ("lm_head.weight", 2, False, False),
        ("model.norm.weight", 2, True, False),
        ("transformer.h.0.attn.weight", 1, True, True),
    ],
)
def test_what_is_frozen(name: str, layers: int, tied: bool, frozen: bool) -> None:
    assert is_frozen(name, layers, tied=tied) == frozen
