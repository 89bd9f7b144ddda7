"""PEFT adapters as PEFT saves them: what PEFT itself would add to the weights, and what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from olivepress.adapters.peft_adapter import read_peft_adapter
from olivepress.adapters.peft_types import REASONS
from olivepress.adapters.projections import Projection
from olivepress.core.errors import AdapterError
from tests.adapters.conftest import MakeAdapter, deltas

ALL = {"phi": ["qkv_proj", "o_proj", "gate_up_proj", "down_proj"], "llama": ["q_proj", "v_proj", "down_proj"]}


@pytest.mark.parametrize("family", ["phi", "llama"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"r": 32, "lora_alpha": 16, "use_rslora": True},
        {"rank_pattern": {"o_proj|down_proj": 2, r"layers\.1\.mlp\..*": 8}, "alpha_pattern": {"down_proj": 3}},
        {"layers_to_transform": [1]},
        # A pattern that matches nothing says nothing, as in PEFT; and one as other trainers write them.
        {"alpha_pattern": {"^q_proj": 100, r".*layers\.(0|1)\..*(qkv_proj|v_proj|o_proj)$": 3}},
    ],
)
def test_the_update_is_what_peft_adds(family: str, settings: dict[str, Any], make_adapter: MakeAdapter) -> None:
    directory, model = make_adapter(family, target_modules=ALL[family], **settings)
    found, expected = read_peft_adapter(directory), deltas(model)
    assert {(p.layer, p.name) for p in found.pairs} == set(expected)
    for projection, pair in found.pairs.items():
        want = expected[projection.layer, projection.name]
        assert np.allclose(pair.a @ pair.b, want, atol=1e-5), projection
        assert np.abs(want).max() > 1e-3


def test_alpha_patterns_whose_order_is_lost_are_refused(make_adapter: MakeAdapter) -> None:
    """PEFT takes the first that matches and saves them sorted: reading it back, PEFT itself would scale otherwise."""
    patterns = {"q_proj|v_proj": 2, r"layers\.1\..*": 8}
    directory, _ = make_adapter("llama", target_modules=["q_proj"], alpha_pattern=patterns)
    with pytest.raises(AdapterError, match=r"layers\.1\.self_attn\.q_proj\.lora_B\.weight matches several"):
        read_peft_adapter(directory)


def test_a_bfloat16_adapter_and_keys_with_the_adapter_s_name(make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    path = directory / "adapter_model.safetensors"
    tensors = load_file(str(path))
    save_file({k.replace(".weight", ".default.weight"): t.bfloat16() for k, t in tensors.items()}, str(path))
    pair = read_peft_adapter(directory).pairs[Projection(0, "q_proj")]
    key = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    assert pair.a.dtype == np.float32 and np.allclose(pair.a.T, tensors[key].bfloat16().float())


def change(directory: Path, **fields: Any) -> None:
    path = directory / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"peft_type": "LOHA"}, "a LOHA adapter"),
        ({"peft_type": "LOKR"}, "a LOKR adapter"),
        ({"use_dora": True}, "DoRA rescales"),
        ({"bias": "lora_only"}, "trained biases"),
        ({"lora_bias": True}, "its B has a bias"),
        ({"modules_to_save": ["lm_head"]}, "whole modules of its own"),
        ({"fan_in_fan_out": True}, "fan_in_fan_out"),
        ({"something_new": {"on": 1}}, "something_new"),
        ({"init_lora_weights": "pissa_niter_4"}, "changed the base's weights"),
    ],
)
def test_what_lora_inputs_cannot_hold_says_why_and_offers_merge(
    fields: dict[str, Any], says: str, make_adapter: MakeAdapter
) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    change(directory, **fields)
    with pytest.raises(AdapterError) as caught:
        read_peft_adapter(directory)
    assert says in str(caught.value) and "adapter_mode: merge" in str(caught.value)
    assert caught.value.exit_code == 9


KINDS = ["ADALORA", "VERA", "PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING", "IA3", "OFT", "BOFT", "LOHA", "LOKR", "NEW"]


@pytest.mark.parametrize("kind", KINDS)
def test_other_methods_are_refused_with_their_own_reason(kind: str, make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    change(directory, peft_type=kind)
    with pytest.raises(AdapterError) as caught:
        read_peft_adapter(directory)
    text = str(caught.value)
    reason = REASONS.get(kind, "not a product of two matrices of low rank")
    assert f"adapter_config.json: peft_type: a {kind} adapter: " in text and reason in text
    merges = kind not in ("PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING")  # these change no weight
    assert ("merge_and_unload" in text) == merges and ("cannot be merged" in text) == (not merges)


LONG = "(a|a)" * 20
DAMAGED: list[tuple[str, Any]] = [
    ("peft_type", ["LORA"]), ("peft_type", None), ("base_model_name_or_path", ["a"]),
    ("r", 0), ("r", -8), ("r", 8.0), ("r", True), ("r", "8"), ("r", [8]), ("r", 10**9), ("r", None), ("r", {"a": 1}),
    ("lora_alpha", 0), ("lora_alpha", -1), ("lora_alpha", "16"), ("lora_alpha", True), ("lora_alpha", [16]),
    ("lora_alpha", 10**400), ("lora_alpha", 1e300), ("lora_alpha", None),
    ("rank_pattern", ["q_proj"]), ("rank_pattern", "q_proj"), ("rank_pattern", 8), ("rank_pattern", {"q_proj(": 8}),
    ("rank_pattern", {"q_proj": 0}), ("rank_pattern", {"q_proj": "8"}), ("rank_pattern", {"q_proj": 2.5}),
    ("rank_pattern", {"q_proj": None}), ("rank_pattern", {"": 8}), ("rank_pattern", {"q_proj": {"x": 8}}),
    ("rank_pattern", {"a{99999999999}": 8}), ("rank_pattern", {"(?P<x": 8}), ("rank_pattern", {"x" * 600: 8}),
    ("rank_pattern", {f"q{number}": 8 for number in range(5000)}), ("rank_pattern", {"(" * 400 + ")" * 400: 8}),
    ("alpha_pattern", {"q_proj": "x"}), ("alpha_pattern", {"q_proj": [1]}), ("alpha_pattern", {"q_proj": -1}),
    ("alpha_pattern", {"q_proj": True}), ("alpha_pattern", ["o_proj"]),
    # Patterns that take for ever: exponential, or with too many ways to go on; and what is no name at all.
    ("alpha_pattern", {"(a+)+$": 1}), ("alpha_pattern", {"(.*.*)*x": 1}), ("alpha_pattern", {"(a|a)*b": 1}),
    ("alpha_pattern", {".*.*.*.*.*x": 1}), ("alpha_pattern", {LONG: 1}), ("alpha_pattern", {"a?" * 30 + "a" * 30: 1}),
    ("alpha_pattern", {r"(q)\1": 1}), ("alpha_pattern", {"(?=q)q_proj": 1}),
    ("use_rslora", "yes"), ("use_rslora", 1), ("use_dora", "no"), ("bias", ["none"]), ("bias", "some"), ("bias", None),
    ("init_lora_weights", ["pissa"]), ("init_lora_weights", 1), ("init_lora_weights", {"a": 1}),
    ("target_modules", 7), ("target_modules", [1]), ("exclude_modules", {"a": 1}), ("fan_in_fan_out", [True]),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), DAMAGED, ids=[f"{key}-{n}" for n, (key, _) in enumerate(DAMAGED)])
def test_a_damaged_config_names_its_file_and_key(key: str, value: Any, make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    change(directory, **{key: value})
    with pytest.raises(AdapterError) as caught:
        read_peft_adapter(directory)
    text = str(caught.value)
    assert "adapter_config.json" in text and key in text and "next: " in text and len(text) < 600 and "\n" not in text


@pytest.mark.parametrize(
    "text",
    [
        "", "{", "null", "[]", '"LORA"', "{}", '{"peft_type": "LORA", "r": NaN}', '{"r": Infinity}', "[" * 100_000,
        '{"peft_type": "LORA", "peft_type": "VERA"}', '{"peft_type": "LORA"}' + " " * 2_000_000, "\ud800",
    ],
    ids=range(12),
)  # fmt: skip
def test_a_config_that_is_no_config(text: str, make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    (directory / "adapter_config.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(AdapterError, match=r"adapter_config\.json: not the config of a PEFT adapter"):
        read_peft_adapter(directory)


def test_a_config_that_is_no_file(make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    path = directory / "adapter_config.json"
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(AdapterError, match="not a file"):
        read_peft_adapter(directory)


@pytest.mark.parametrize("begun", ["pissa", "olora", "corda", "lora_ga", "loftq", "tomorrow"])
def test_an_adapter_of_a_changed_base_is_refused(begun: str, make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    change(directory, init_lora_weights=begun)
    with pytest.raises(AdapterError, match=rf"adapter_config\.json: init_lora_weights: .*{begun}"):
        read_peft_adapter(directory)
    for same in (True, False, "gaussian", "eva", "orthogonal"):
        change(directory, init_lora_weights=same)
        assert read_peft_adapter(directory).pairs


def test_weights_that_mean_two_things(make_adapter: MakeAdapter) -> None:
    """The same matrix under two keys: whichever came last was taken. And the projections of another tower."""
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    path = directory / "adapter_model.safetensors"
    tensors = load_file(str(path))
    key = next(iter(tensors))

    def refused(changed: dict[str, Any], says: str) -> None:
        save_file(changed, str(path))
        with pytest.raises(AdapterError) as caught:
            read_peft_adapter(directory)
        assert says in str(caught.value), caught.value

    for twin in (key.replace(".weight", ".default.weight"), key.replace("model.layers", "model.language_model.layers")):
        refused(tensors | {twin: tensors[key] * 2}, "are both of q_proj of layer 0")
    refused(
        tensors | {key.replace("model.layers", "vision_tower.layers"): tensors[key].clone()}, "is not a LoRA matrix"
    )
    refused(tensors | {key.replace("layers.0", "layers." + "9" * 5000): tensors[key].clone()}, "is not a LoRA matrix")
    refused(tensors | {key: tensors[key].int()}, "is of type I32, expected floating-point numbers")
    refused(tensors | {key: tensors[key][:0].clone()}, "has shape [0, 32], its config has rank 4")
    save_file({}, str(path))
    with pytest.raises(AdapterError, match="contains no tensor"):
        read_peft_adapter(directory)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0" * 8, b"\xff" * 64, (2).to_bytes(8, "little") + b"[]", (2**40).to_bytes(8, "little") + b"{}",
        (60).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[2],"data_offsets":["0","8"]}}'.ljust(60),
        (60).to_bytes(8, "little") + b'{"a":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}'.ljust(60) + b"\0" * 8,
    ],
    ids=range(7),
)  # fmt: skip
def test_junk_in_place_of_the_weights(data: bytes, make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    (directory / "adapter_model.safetensors").write_bytes(data)
    with pytest.raises(AdapterError, match=r"adapter_model\.safetensors: .*next: copy the adapter again"):
        read_peft_adapter(directory)


def test_a_real_dora_adapter_is_refused(make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"], use_dora=True)
    with pytest.raises(AdapterError, match="DoRA"):
        read_peft_adapter(directory)


def test_a_tensor_that_does_not_hold_is_named(make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    path = directory / "adapter_model.safetensors"
    whole, tensors = path.read_bytes(), load_file(str(path))
    a = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
    b = a.replace("lora_A", "lora_B")

    path.write_bytes(whole[:-10])  # cut: the last tensor of the file is not whole
    with pytest.raises(AdapterError, match=r"truncated, 1 of 4 tensors are incomplete, first \S+layers\.1\S+"):
        read_peft_adapter(directory)
    path.write_bytes(whole[:9])
    with pytest.raises(AdapterError, match="copy the adapter again"):
        read_peft_adapter(directory)

    def refused(changed: dict[str, Any], says: str) -> None:
        save_file(changed, str(path))
        with pytest.raises(AdapterError) as caught:
            read_peft_adapter(directory)
        assert says in str(caught.value), caught.value

    refused({k: t[:2].contiguous() if k == a else t for k, t in tensors.items()}, f"{a} has shape [2, 32], its config")
    refused({k: t for k, t in tensors.items() if k != b}, f"{a} has no matching lora_B")
    refused({("renamed" if k == a else k): t for k, t in tensors.items()}, "tensor renamed is not a LoRA matrix")
    refused({k: t * float("nan") if k == b else t for k, t in tensors.items()}, f"{b} is not finite")
    save_file(tensors, str(path))
    change(directory, r=8)
    with pytest.raises(AdapterError, match=r"lora_A\.weight has shape \[4, 32\], its config has rank 8"):
        read_peft_adapter(directory)


def test_a_folder_that_is_none(tmp_path: Path, make_adapter: MakeAdapter) -> None:
    with pytest.raises(AdapterError, match=r"no adapter_config\.json"):
        read_peft_adapter(tmp_path / "nothing")
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    (directory / "adapter_model.safetensors").rename(directory / "adapter_model.bin")
    with pytest.raises(AdapterError, match=r"only adapter_model\.bin: expected safetensors"):
        read_peft_adapter(directory)
    (directory / "adapter_config.json").write_text("[]")
    with pytest.raises(AdapterError, match="not the config of a PEFT adapter"):
        read_peft_adapter(directory)
