"""PEFT adapters as PEFT saves them: what PEFT itself would add to the weights, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from olivepress.adapters.peft_adapter import read_peft_adapter
from olivepress.adapters.projections import Projection
from olivepress.errors import AdapterError
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
        ({"init_lora_weights": "pissa_niter_4"}, "changed the base's own weights"),
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
    with pytest.raises(AdapterError, match=r"cut off, 1 of 4 tensors are not whole, first base_model\S+layers\.1\S+"):
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
    refused({k: t for k, t in tensors.items() if k != b}, f"{a} has no lora_B")
    refused({("renamed" if k == a else k): t for k, t in tensors.items()}, "tensor renamed is no LoRA matrix")
    refused({k: t * float("nan") if k == b else t for k, t in tensors.items()}, f"{b} is not finite")
    save_file(tensors, str(path))
    change(directory, r=8)
    with pytest.raises(AdapterError, match=r"lora_A\.weight has shape \[4, 32\], its config says rank 8"):
        read_peft_adapter(directory)


def test_a_folder_that_is_none(tmp_path: Path, make_adapter: MakeAdapter) -> None:
    with pytest.raises(AdapterError, match=r"no adapter_config\.json"):
        read_peft_adapter(tmp_path / "nothing")
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    (directory / "adapter_model.safetensors").rename(directory / "adapter_model.bin")
    with pytest.raises(AdapterError, match=r"found adapter_model\.bin: only safetensors"):
        read_peft_adapter(directory)
    (directory / "adapter_config.json").write_text("[]")
    with pytest.raises(AdapterError, match="not the config of a PEFT adapter"):
        read_peft_adapter(directory)
