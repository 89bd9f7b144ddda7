"""Weights: the files that transformers loads and no others, each tensor once, in the shapes of config.json."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from olivepress.core import hash_cache
from olivepress.core.errors import RecipeError
from olivepress.models.admission import check_folder, read_base_model
from tests.models.admission.folders import change_json, read_weights, write_folder, write_weights

LAYER = "model.layers.1.self_attn"


CHANGES: list[tuple[Callable[[dict[str, Any]], Any], dict[str, Any], str]] = [
    (lambda w: w.pop(f"{LAYER}.q_proj.weight"), {}, f"the weights have no {LAYER}.q_proj.weight"),
    (lambda w: None, {"vocab_size": 48}, r"model.embed_tokens.weight is 40 × 64, expected 48 × 64.*vocab_size"),
    (lambda w: None, {"intermediate_size": 128}, r"expected 64 × 128.*intermediate_size"),
    (lambda w: None, {"num_hidden_layers": 1}, r"model.layers.1.*left out.*num_hidden_layers is 1"),
    (lambda w: None, {"num_hidden_layers": 3}, r"no model.layers.2.*there are 2 layers"),
    (lambda w: None, {"attention_bias": True}, "which config.json asks for"),
    (lambda w: w.update({f"{LAYER}.q_proj.bias": np.ones(64, "<f4")}), {}, "asks for no such bias"),
    (lambda w: w.pop("lm_head.weight"), {}, "no lm_head.weight.*would be random"),
    (lambda w: w["lm_head.weight"].fill(2), {"tie_word_embeddings": True}, "lm_head.weight differs"),
    (lambda w: w.update({"model.norm.weight": np.ones(64, "u1")}), {}, "model.norm.weight is U8.*quantized already"),
    (lambda w: w.update({f"{LAYER}.q_proj.qweight": np.ones(8, "<i4")}), {}, "quantized already"),
    (lambda w: w.update({"v_head.weight": np.ones(8, "<f4")}), {}, "v_head.weight would be left out"),
    (lambda w: _rename(w, "model.", ""), {}, "named without 'model.'"),
    (lambda w: _rename(w, "model.", "language_model.model."), {}, "stand under 'language_model.'"),
]  # fmt: skip


def _rename(weights: dict[str, Any], old: str, new: str) -> None:
    for name in [name for name in weights if name.startswith(old)]:
        weights[new + name.removeprefix(old)] = weights.pop(name)


@pytest.mark.parametrize(("change", "config", "says"), CHANGES)
def test_weights_that_are_not_the_configs(
    change: Callable[[dict[str, Any]], Any], config: dict[str, Any], says: str, tmp_path: Path
) -> None:
    model = write_folder(tmp_path / "model")
    weights = read_weights(model / "model.safetensors")
    change(weights)
    write_weights(model / "model.safetensors", weights)
    change_json(model / "config.json", config)
    with pytest.raises(RecipeError, match=says):
        check_folder(model)


def test_what_older_versions_saved_beside_is_no_fault(tmp_path: Path) -> None:
    model = write_folder(tmp_path / "model")
    weights = read_weights(model / "model.safetensors")
    weights["model.layers.0.self_attn.rotary_emb.inv_freq"] = np.ones(8, "<f4")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"]  # a copy of the tied embedding
    write_weights(model / "model.safetensors", weights)
    change_json(model / "config.json", {"tie_word_embeddings": True})
    check_folder(model)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("adapter_config.json", "an adapter; give the folder of the model"),
        ("model.gguf", "a GGUF file"),
        ("model.onnx", "an ONNX model"),
    ],
)
def test_other_folders_are_named(name: str, says: str, tmp_path: Path) -> None:
    from olivepress.catalog import facts_from_config

    (tmp_path / name).write_text("{}")
    with pytest.raises(RecipeError, match=says):
        facts_from_config(tmp_path)


def _age(directory: Path) -> None:
    """Files that were written long ago."""
    for path in directory.iterdir():
        os.utime(path, ns=(10**18, 10**18))


def test_the_base_is_hashed_whole_and_only_what_is_read(tmp_path: Path) -> None:
    model, cache = write_folder(tmp_path / "model"), tmp_path / "runs" / "cache.json"
    _age(model)
    first = read_base_model(model, cache)
    for name in ("README.md", ".gitattributes", "consolidated.safetensors", "picture.png"):
        (model / name).write_text("x")
    assert read_base_model(model, cache) == first
    change_json(model / "generation_config.json", {"eos_token_id": [1, 0]})
    changed = read_base_model(model, cache)
    assert changed.training == first.training and changed.whole != first.whole
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        before = read_base_model(model, cache)
        (model / name).write_text((model / name).read_text() + " ")
        assert read_base_model(model, cache).training != before.training


def test_a_single_byte_counts_and_the_cache_is_by_stat(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hash_cache, "_SETTLED_NS", -1)  # the change times of these files are now
    model, cache = write_folder(tmp_path / "model"), tmp_path / "cache.json"
    _age(model)
    counts: list[int] = []
    first = read_base_model(model, cache, lambda done, total: counts.append(total))
    assert counts
    counts.clear()
    assert read_base_model(model, cache, lambda done, total: counts.append(total)) == first
    assert counts == []  # nothing was read again
    weights = model / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[len(content) // 2 + 1] ^= 1
    weights.write_bytes(content)  # of the same size
    assert read_base_model(model, cache) != first
    copy = tmp_path / "copy"
    copy.write_bytes(content)
    copy.replace(weights)  # of the same size and time, another inode
    os.utime(weights, ns=(10**18, 10**18))
    counts.clear()
    read_base_model(model, cache, lambda done, total: counts.append(total))
    assert counts
    content[len(content) // 2 + 1] ^= 1
    weights.write_bytes(content)  # in place, and its old time put back
    os.utime(weights, ns=(10**18, 10**18))
    counts.clear()
    read_base_model(model, cache, lambda done, total: counts.append(total))
    assert counts
    cache.write_text('{"files": [')
    read_base_model(model, cache)  # a broken cache is none


@pytest.mark.parametrize("dtype", ["<f4", "<f2", "bfloat16"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_in_the_base_is_named(dtype: str, value: float, tmp_path: Path) -> None:
    model = write_folder(tmp_path / "model")
    weights = read_weights(model / "model.safetensors")
    name = f"{LAYER}.o_proj.weight"
    weights[name][3, 5] = value
    if dtype == "bfloat16":
        import torch
        from safetensors.torch import save_file

        tensors = {key: torch.from_numpy(array).to(torch.bfloat16) for key, array in weights.items()}
        save_file(tensors, str(model / "model.safetensors"))
    else:
        write_weights(model / "model.safetensors", {key: array.astype(dtype) for key, array in weights.items()})
    with pytest.raises(RecipeError, match=f"{name} contains NaN or infinity"):
        check_folder(model)  # small weights are read at once
    for _ in range(2):  # the second time from the cache
        with pytest.raises(RecipeError, match=rf"model\.safetensors: {name} contains NaN or infinity"):
            read_base_model(model, tmp_path / "cache.json")
