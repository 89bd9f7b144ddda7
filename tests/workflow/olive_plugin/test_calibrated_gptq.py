"""The pass as Olive has it: what it leaves on a layer is what Olive packs, scales of either sign too."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import torch

from olivepress.core.errors import JobError
from olivepress.workflow.olive_plugin.passes import OWN_PASSES
from olivepress.workflow.olive_plugin.passes.calibrated_gptq import CalibratedGptq, projections

nn = pytest.importorskip("olive.common.quant.nn")
quant = pytest.importorskip("olive.common.quant.utils")
utilities = pytest.importorskip("olive.passes.pytorch.quant_utils")


def layer(*, bits: int, symmetric: bool, group_size: int) -> tuple[Any, torch.Tensor]:
    """A linear layer whose calibration rows have been seen, and those rows."""
    torch.manual_seed(0)
    linear: Any = torch.nn.Linear(64, 24, bias=False)
    linear.weight.data[::2, ::16] *= -9
    rows = torch.randn(10, 20, 64) @ torch.randn(64, 64)
    linear.quant_info = utilities.QuantInfo(
        quantizer=quant.WeightQuantizer(bits=bits, symmetric=symmetric, group_size=group_size)
    )
    for row in rows:
        CalibratedGptq.accumulate_hessian(linear, (row[None],), None)
    return linear, rows


@pytest.mark.parametrize(
    ("bits", "symmetric", "group_size"), [(4, True, 16), (4, False, 16), (8, True, 32), (4, True, -1)]
)
def test_what_olive_packs_is_what_was_rounded(bits: int, symmetric: bool, group_size: int) -> None:
    linear, rows = layer(bits=bits, symmetric=symmetric, group_size=group_size)
    before = linear.weight.data.clone()
    CalibratedGptq.process_module(linear)
    info = linear.quant_info
    packed = nn.QuantLinear.from_module(
        linear, bits=bits, symmetric=symmetric, group_size=group_size, scales=info.scales, zero_points=info.zero_points
    )
    assert torch.allclose(packed(rows), linear(rows), rtol=1e-4, atol=1e-4 * float(rows.abs().max()))
    theirs = quant.WeightQuantizer(bits=bits, symmetric=symmetric, group_size=group_size).fake_quantize(before)
    lost = [(rows @ (before - weight).T).square().mean() for weight in (linear.weight.data, theirs)]
    assert lost[0] < 0.5 * lost[1]
    if symmetric and bits == 4:
        assert (info.scales < 0).any() and (info.scales > 0).any()


def test_a_layer_that_no_row_reached_is_an_error() -> None:
    linear, _ = layer(bits=4, symmetric=True, group_size=16)
    linear.quant_info.data = None
    with pytest.raises(ValueError, match="no calibration row reached Linear"):
        CalibratedGptq.process_module(linear)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 1e30])
def test_inputs_that_are_not_finite_are_an_error_in_words(value: float) -> None:
    """AutoGPTQ/AutoGPTQ#708: activations of NaN end in "the leading minor of order 1 is not positive-definite"."""
    linear, rows = layer(bits=4, symmetric=True, group_size=16)
    rows[3, 2, 5] = value
    CalibratedGptq.accumulate_hessian(linear, (rows[3:4],), None)
    with pytest.raises(JobError, match=r"Linear\(in_features=64.*\): its inputs on the calibration rows are not fin"):
        CalibratedGptq.process_module(linear)


@pytest.mark.parametrize("all_zero", [True, False])
def test_a_layer_works_on_inputs_that_no_calibration_row_used(all_zero: bool) -> None:
    """Samsung/TICO#412: accuracy fell to nearly zero, for weights of inputs that were zero then were zeroed."""
    linear, rows = layer(bits=4, symmetric=True, group_size=16)
    before = linear.weight.data.clone()
    seen = rows.clone()
    seen[..., :: 1 if all_zero else 2] = 0
    linear.quant_info.data = None
    CalibratedGptq.accumulate_hessian(linear, (seen,), None)
    CalibratedGptq.process_module(linear)
    lost = (before - linear.weight.data)[:, (seen == 0).all(0).all(0)]
    assert float(lost.square().mean()) < 0.05 * float(before.square().mean())


@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("size", [1e-6, 1e-12, 1e-30, 1e-44, 0.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_groups_of_weights_that_are_almost_zero(dtype: torch.dtype, size: float, symmetric: bool) -> None:
    """google-ai-edge/ai-edge-quantizer#678 and vllm-project/compressed-tensors#832: scales that are zero or no
    number in the type that they are stored in, of rows and groups that training left almost zero."""
    linear, rows = layer(bits=4, symmetric=symmetric, group_size=16)
    linear.weight.data[3] *= size
    linear.weight.data[5, 16:32] *= size
    linear.to(dtype)
    expected = rows @ linear.weight.data.float().T
    CalibratedGptq.process_module(linear)
    info = linear.quant_info
    packed = nn.QuantLinear.from_module(
        linear, bits=4, symmetric=symmetric, group_size=16, scales=info.scales, zero_points=info.zero_points
    )
    assert torch.equal(packed.scales.float(), info.scales) and bool((packed.scales != 0).all())
    lost = (packed(rows.to(dtype)).float() - expected).square().mean()
    assert float(lost) < 0.01 * float(expected.square().mean())


def test_the_paths_of_our_passes_are_theirs() -> None:
    for name, path in OWN_PASSES.items():
        module, _, attribute = path.rpartition(".")
        assert attribute == name and isinstance(getattr(importlib.import_module(module), attribute), type)


@pytest.mark.parametrize(
    ("parts", "valid"), [(None, True), (["attention_inputs", "mlp_outputs"], True), (["attention_input"], False)]
)
def test_a_part_that_it_does_not_know_is_refused(parts: list[str] | None, valid: bool) -> None:
    hardware = importlib.import_module("olive.hardware.accelerator")
    here = hardware.AcceleratorSpec(accelerator_type="cpu", execution_provider="CPUExecutionProvider")
    config = CalibratedGptq.generate_config(here, {"group_size": 64, "eight_bits": parts}, disable_search=True)
    assert CalibratedGptq.validate_config(config, here) is valid


def test_the_projections_of_every_layer_whether_fused_or_not() -> None:
    wrapper = importlib.import_module("olive.common.hf.wrapper").ModelWrapper
    transformers = importlib.import_module("transformers")
    sizes = {"hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "vocab_size": 32, "pad_token_id": 0}  # fmt: skip
    of = {}
    for kind in ("Llama", "Phi3"):
        config = getattr(transformers, f"{kind}Config")(**sizes)
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(config)
        of[kind] = list(projections(wrapper.from_model(model), ["attention_inputs", "mlp_outputs"]))
        assert all(isinstance(model.get_submodule(name), torch.nn.Linear) for name in of[kind])
    assert of["Llama"][:4] == [
        f"model.layers.0.{name}"
        for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.down_proj")
    ]
    assert of["Phi3"] == [
        f"model.layers.{number}.{name}" for number in (0, 1) for name in ("self_attn.qkv_proj", "mlp.down_proj")
    ]
