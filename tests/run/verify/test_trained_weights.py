"""A model whose own weights were trained: what has to change has, and what is frozen has not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

pytest.importorskip("torch")

import torch
from safetensors.torch import save_file

from olivepress.core.artifact import Check
from olivepress.models.admission.layout import expected_tensors
from olivepress.run.verify.trained_weights import is_frozen, trained_weights

CONFIG = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "vocab_size": 5,
    "hidden_size": 4,
    "intermediate_size": 6,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "tie_word_embeddings": True,
}
BUFFERS = ("model.layers.0.self_attn.rotary_emb.inv_freq", "model.layers.1.self_attn.masked_bias")


def folder(path: Path, *, without: str = "", also: Sequence[str] = (), **changes: float) -> Path:
    """A model of two layers and 20 tensors; ``changes``: a part of a name → what is added to the tensor."""
    path.mkdir()
    (path / "config.json").write_text(json.dumps(CONFIG))
    tensors = {name: torch.ones(2) for name in also}
    for number, (name, shape) in enumerate(expected_tensors(CONFIG).items()):
        added = sum(value for part, value in changes.items() if part in name.replace(".", "_"))
        if name != without:
            tensors[name] = torch.full(shape, float(number)) + added
    save_file(tensors, str(path / "model.safetensors"))
    return path


def checks(base: Path, model: Path, layers: int) -> dict[str, Check]:
    return {check.name: check for check in trained_weights(base, model, layers)}


def test_every_trained_weight_has_changed(tmp_path: Path) -> None:
    base = folder(tmp_path / "base")
    all_changed = checks(base, folder(tmp_path / "all", model=0.5), 0)
    assert list(all_changed) == ["weights_trained"] and all_changed["weights_trained"].passed
    assert all_changed["weights_trained"].value == all_changed["weights_trained"].limit == 20
    [still] = checks(base, folder(tmp_path / "some", layers=0.5, model_norm=0.5), 0).values()
    assert not still.passed and still.value == 19 and still.detail == "model.embed_tokens.weight is the base's"


def test_frozen_weights_are_the_bases(tmp_path: Path) -> None:
    base = folder(tmp_path / "base")
    good = checks(base, folder(tmp_path / "good", layers_1=0.5, model_norm=0.5), 1)
    assert good["weights_trained"].passed and good["weights_frozen"].passed
    assert (good["weights_trained"].limit, good["weights_frozen"].limit) == (10, 10)
    bad = checks(base, folder(tmp_path / "bad", model=0.5), 1)
    assert bad["weights_trained"].passed and not bad["weights_frozen"].passed
    assert bad["weights_frozen"].detail == "model.embed_tokens.weight has changed"


@pytest.mark.parametrize("layers", [0, 1])
def test_what_an_older_base_stores_beside_its_weights(tmp_path: Path, layers: int) -> None:
    """Computed buffers and a tied head, which the trained model does not have."""
    base = folder(tmp_path / "base", also=[*BUFFERS, "lm_head.weight"])
    changed = {"layers_1": 0.5, "model_norm": 0.5} if layers else {"model": 0.5}
    made = checks(base, folder(tmp_path / "trained", **changed), layers)
    assert all(check.passed for check in made.values()) and len(made) == 1 + layers


@pytest.mark.parametrize(
    ("name", "check"),
    [("model.layers.0.mlp.up_proj.weight", "weights_frozen"), ("model.norm.weight", "weights_trained")],
)
def test_a_weight_that_is_missing(tmp_path: Path, name: str, check: str) -> None:
    base = folder(tmp_path / "base")
    made = checks(base, folder(tmp_path / "part", without=name, layers_1=0.5, model_norm=0.5), 1)
    assert [each for each, of in made.items() if not of.passed] == [check]
    assert made[check].detail == f"{name} is missing or has another shape"


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
