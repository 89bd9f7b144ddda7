"""Adapters made to fit a base: split, packed, zero where they have nothing, and refused where they are of another."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from olivepress.adapters.fit import check_tensors, fit
from olivepress.adapters.lora_inputs import LoraInput
from olivepress.adapters.peft_adapter import read_peft_adapter
from olivepress.adapters.projections import Projection
from olivepress.core.errors import AdapterError
from tests.adapters.conftest import HIDDEN, KEY, LAYERS, MIDDLE, QUERY, MakeAdapter, base_inputs, deltas

SIZES = {"k_proj": KEY, "v_proj": KEY}
ATTENTION = ("q_proj", "k_proj", "v_proj", "qkv_proj", "o_proj")


def inputs(*, packed: bool, dtype: str = "float32") -> dict[str, LoraInput]:
    found = {}
    for layer in range(LAYERS):
        for name, (width, height) in base_inputs(packed=packed).items():
            block = "attn" if name in ATTENTION else "mlp"
            for letter, shape in (("A", (None, width)), ("B", (height, None))):
                key = f"model.layers.{layer}.{block}.{name}.lora_{letter}.weight"
                found[key] = LoraInput(name=key, shape=shape, dtype=dtype)
    return found


def update(tensors: dict[str, np.ndarray], layer: int, name: str) -> np.ndarray:
    block = "attn" if name in ATTENTION else "mlp"
    a, b = (tensors[f"model.layers.{layer}.{block}.{name}.lora_{letter}.weight"] for letter in "AB")
    return a.T @ b.T


@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("family", ["phi", "llama"])
def test_every_base_gets_what_peft_adds(family: str, packed: bool, make_adapter: MakeAdapter) -> None:
    """Fused and apart, in the adapter and in the base: four ways, one update."""
    wanted = {
        "phi": ["qkv_proj", "gate_up_proj", "down_proj"],
        "llama": ["q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "down_proj"],
    }[family]
    directory, model = make_adapter(family, target_modules=wanted, rank_pattern={"k_proj": 2, "gate_up_proj": 6})
    base, expected = inputs(packed=packed), deltas(model)
    tensors = fit(read_peft_adapter(directory), base, SIZES)
    check_tensors(tensors, base, "here")
    for layer in range(LAYERS):
        parts = {
            name: expected[layer, name] for name in ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj")
            if (layer, name) in expected
        }  # fmt: skip
        if family == "phi":
            q, k, v = np.split(expected[layer, "qkv_proj"], [QUERY, QUERY + KEY], axis=1)
            gate, up = np.split(expected[layer, "gate_up_proj"], 2, axis=1)
            parts = {"q_proj": q, "k_proj": k, "v_proj": v, "gate_proj": gate, "up_proj": up}
        if packed:
            want = np.concatenate([parts[name] for name in ("q_proj", "k_proj", "v_proj")], axis=1)
            assert np.allclose(update(tensors, layer, "qkv_proj"), want, atol=1e-5)
        else:
            for name in ("q_proj", "k_proj", "v_proj"):
                assert np.allclose(update(tensors, layer, name), parts[name], atol=1e-5)
        for name in ("gate_proj", "up_proj"):
            assert np.allclose(update(tensors, layer, name), parts[name], atol=1e-5)
        assert np.allclose(update(tensors, layer, "down_proj"), expected[layer, "down_proj"], atol=1e-5)
        assert not update(tensors, layer, "o_proj").any()  # the adapter leaves it alone


def test_an_adapter_of_the_query_alone_leaves_key_and_value(make_adapter: MakeAdapter) -> None:
    directory, model = make_adapter("llama", target_modules=["q_proj"])
    tensors = fit(read_peft_adapter(directory), inputs(packed=True), SIZES)
    found = update(tensors, 0, "qkv_proj")
    assert np.allclose(found[:, :QUERY], deltas(model)[0, "q_proj"], atol=1e-5) and not found[:, QUERY:].any()


def test_a_query_that_contains_a_gate_is_packed_before_key_and_value(make_adapter: MakeAdapter) -> None:
    """Qwen 3.5: a query's projection is twice as wide as its heads, which genai_config.json does not state."""
    directory, model = make_adapter("llama", target_modules=["q_proj", "k_proj", "v_proj"])
    adapter = read_peft_adapter(directory)
    gated = {
        place: replace(pair, b=np.concatenate([pair.b, 2 * pair.b], axis=1)) if place.name == "q_proj" else pair
        for place, pair in adapter.pairs.items()
    }
    base = {
        name: replace(each, shape=(2 * QUERY + 2 * KEY, None)) if "qkv_proj.lora_B" in name else each
        for name, each in inputs(packed=True).items()
    }
    tensors, expected = fit(replace(adapter, pairs=gated), base, SIZES), deltas(model)
    check_tensors(tensors, base, "here")
    q, k, v = (expected[1, name] for name in ("q_proj", "k_proj", "v_proj"))
    assert np.allclose(update(tensors, 1, "qkv_proj"), np.concatenate([q, 2 * q, k, v], axis=1), atol=1e-5)


@pytest.mark.parametrize("packed", [True, False])
def test_an_adapter_that_lost_a_pair_is_refused(packed: bool, make_adapter: MakeAdapter) -> None:
    """PEFT leaves what is missing at zero and warns; here half an adapter would look like a whole one."""
    directory, _ = make_adapter("llama", target_modules=["q_proj", "v_proj", "not_there"])
    adapter = read_peft_adapter(directory)
    assert fit(adapter, inputs(packed=packed), SIZES)
    for lost in (Projection(1, "v_proj"), Projection(0, "q_proj")):
        rest = replace(adapter, pairs={place: pair for place, pair in adapter.pairs.items() if place != lost})
        with pytest.raises(AdapterError, match=rf"no tensor of {lost}, which its config's target_modules lists"):
            fit(rest, inputs(packed=packed), SIZES)
    directory, _ = make_adapter("llama", name="one layer", target_modules=["q_proj"], layers_to_transform=[1])
    assert fit(read_peft_adapter(directory), inputs(packed=packed), SIZES)
    directory, _ = make_adapter("phi", name="fused", target_modules=["qkv_proj", "gate_up_proj"])
    assert fit(read_peft_adapter(directory), inputs(packed=packed), SIZES)


def test_float16_and_what_is_too_large_for_it(make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    adapter = read_peft_adapter(directory)
    tensors = fit(adapter, inputs(packed=True, dtype="float16"), SIZES)
    assert {str(tensor.dtype) for tensor in tensors.values()} == {"float16"}
    q = Projection(0, "q_proj")
    large = replace(adapter, pairs={**adapter.pairs, q: replace(adapter.pairs[q], b=adapter.pairs[q].b * 1e7)})
    with pytest.raises(AdapterError, match=r"layers\.0\.self_attn\.q_proj\.lora_B\.weight is too large for .* float16"):
        fit(large, inputs(packed=True, dtype="float16"), SIZES)


def test_an_adapter_of_another_base_names_the_tensor(make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj", "down_proj"])
    adapter, base = read_peft_adapter(directory), inputs(packed=True)
    wide = {n: replace(i, shape=(HIDDEN * 2, None)) if "down_proj.lora_B" in n else i for n, i in base.items()}
    with pytest.raises(AdapterError, match=rf"down_proj\.lora_B\.weight maps {MIDDLE} to {HIDDEN}, the base's"):
        fit(adapter, wide, SIZES)
    with pytest.raises(AdapterError, match=r"q_proj\.lora_B\.weight maps 32 to 32, the base's q_proj of layer 0 maps"):
        fit(adapter, base, SIZES | {"k_proj": 8})
    fewer = {name: one for name, one in base.items() if "layers.1" not in name}
    with pytest.raises(AdapterError, match=r"layers\.1\.\S+ is for \S+ of layer 1, which the base does not have"):
        fit(adapter, fewer, SIZES)
    fused, _ = make_adapter("phi", "fused", target_modules=["qkv_proj"])
    apart = {n: replace(i, shape=(8, None)) if "v_proj.lora_B" in n else i for n, i in inputs(packed=False).items()}
    with pytest.raises(AdapterError, match=r"qkv_proj\.lora_B\.weight has 64 outputs, the base's qkv_proj"):
        fit(read_peft_adapter(fused), apart, SIZES)


def test_the_interface_check_names_the_tensor(make_adapter: MakeAdapter) -> None:
    directory, _ = make_adapter("llama", target_modules=["q_proj"])
    base = inputs(packed=True)
    tensors = fit(read_peft_adapter(directory), base, SIZES)
    name = "model.layers.0.attn.qkv_proj.lora_A.weight"

    def refused(changed: dict[str, np.ndarray], says: str) -> None:
        with pytest.raises(AdapterError) as caught:
            check_tensors(changed, base, "x.onnx_adapter")
        assert str(caught.value).startswith("x.onnx_adapter: ") and says in str(caught.value), caught.value

    rest = {key: tensor for key, tensor in tensors.items() if key != name}
    refused(rest, f"no tensor {name}")
    refused(rest | {"other": tensors[name], name: tensors[name]}, "tensor other has no input")
    refused(tensors | {name: tensors[name].astype(np.float16)}, f"tensor {name} is float16, the base takes float32")
    refused(tensors | {name: tensors[name][:, :8]}, f"tensor {name} has shape [4, 8], the base takes ['rank', 32]")
    refused(tensors | {name: tensors[name][:2]}, f"tensor {name} has rank 2")
    refused(tensors | {name: tensors[name][0]}, f"tensor {name} has shape [32]")
