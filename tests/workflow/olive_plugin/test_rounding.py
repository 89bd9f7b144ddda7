"""Scales by search and GPTQ against slow, independent computations of the same."""

from __future__ import annotations

import pytest
import torch

from olivepress.workflow.olive_plugin.passes import rounding
from olivepress.workflow.olive_plugin.passes.rounding import dequantize, gptq, search_scales


def drawn(seed: int, rows: int = 12, columns: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights with outliers, and a Hessian of inputs that are correlated and of very different size."""
    generator = torch.Generator().manual_seed(seed)
    weight = torch.randn(rows, columns, generator=generator)
    weight[::3, ::7] *= 6
    inputs = torch.randn(400, columns, generator=generator) @ torch.randn(columns, columns, generator=generator)
    inputs = inputs * torch.logspace(-1, 1, columns)[torch.randperm(columns, generator=generator)]
    return weight, 2 * inputs.T @ inputs / len(inputs)


def weighted(weight: torch.Tensor, rounded: torch.Tensor, importance: torch.Tensor) -> torch.Tensor:
    return ((weight - rounded).square() * importance).reshape(len(weight), -1, 16).sum(-1)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("seed", [0, 1])
def test_no_group_loses_more_than_with_the_scale_of_its_largest_weight(seed: int, symmetric: bool, bits: int) -> None:
    quant = pytest.importorskip("olive.common.quant.utils")
    weight, hessian = drawn(seed)
    quantizer = quant.WeightQuantizer(bits=bits, symmetric=symmetric, group_size=16)
    theirs = quantizer.fake_quantize(weight)
    scales, zeros = search_scales(weight, hessian.diag(), bits=bits, group_size=16, symmetric=symmetric)
    ours = dequantize(weight, scales, zeros, bits=bits, group_size=16)
    assert torch.equal(ours, quantizer.dequantize(quantizer.quantize(weight, scales, zeros), scales, zeros))
    losses = weighted(weight, ours, hessian.diag()), weighted(weight, theirs, hessian.diag())
    assert (losses[0] <= losses[1] * (1 + 1e-5)).all() and losses[0].sum() < {4: 0.8, 8: 1.0}[bits] * losses[1].sum()


def test_the_scales_are_nearly_the_best_of_all_that_a_fine_grid_has() -> None:
    """A grid of 4,000 scales of either sign, tried in double precision, is never worse and at most 3 % better."""
    weight, hessian = drawn(2, rows=40)
    importance = hessian.diag()
    scales, zeros = search_scales(weight, importance, bits=4, group_size=64, symmetric=True)
    rounded = dequantize(weight, scales, zeros, bits=4, group_size=64)
    ours = ((weight - rounded).square() * importance).sum(-1).double()
    tried = torch.linspace(-1.3, 1.3, 4000, dtype=torch.float64)[:, None]
    best = []
    for row in weight.double():
        steps = tried * row.abs().max() / 8
        best.append(((row - (row / steps).round().clamp(-8, 7) * steps).square() * importance).sum(-1).min())
    assert (ours >= torch.stack(best) * (1 - 1e-3)).all()
    assert ours.sum() <= 1.03 * torch.stack(best).sum()


@pytest.mark.parametrize("symmetric", [True, False])
def test_how_many_rows_are_searched_at_a_time_changes_nothing(symmetric: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    weight, hessian = drawn(3, rows=13)
    whole = search_scales(weight, hessian.diag(), bits=4, group_size=16, symmetric=symmetric)
    for count in (1, 64 * 5):  # fewer than a row, and rows that do not divide them
        monkeypatch.setattr(rounding, "_SEARCHED", count)
        parts = search_scales(weight, hessian.diag(), bits=4, group_size=16, symmetric=symmetric)
        assert torch.equal(parts[0], whole[0]) and torch.equal(parts[1], whole[1])


def test_weights_on_a_grid_of_four_bits_stay_as_they_are() -> None:
    """llama.cpp's Q4_0: the value of largest magnitude, of either sign, is eight steps below zero."""
    generator = torch.Generator().manual_seed(3)
    values = torch.randint(-8, 8, (6, 32), generator=generator).float()
    values[:, ::16] = -8
    steps = torch.tensor([0.01, -0.02, 0.5, -0.7, 1.0, -3.0])[:, None]
    weight = values * steps
    scales, zeros = search_scales(weight, torch.ones(32), bits=4, group_size=16, symmetric=True)
    assert torch.allclose(dequantize(weight, scales, zeros, bits=4, group_size=16), weight, rtol=1e-5)
    assert torch.allclose(scales, steps.expand(6, 2), rtol=1e-6)


def test_groups_of_zeros_and_inputs_that_are_never_used() -> None:
    weight = torch.zeros(3, 32)
    weight[0, 5] = 1.0
    for symmetric in (True, False):
        scales, zeros = search_scales(weight, torch.zeros(32), bits=4, group_size=16, symmetric=symmetric)
        rounded = dequantize(weight, scales, zeros, bits=4, group_size=16)
        assert torch.isfinite(scales).all() and (scales != 0).all() and torch.isfinite(rounded).all()
        assert (rounded[1:] == 0).all()


def brain_surgeon(
    weight: torch.Tensor, hessian: torch.Tensor, scales: torch.Tensor, zeros: torch.Tensor, size: int
) -> torch.Tensor:
    """The same in double precision as its derivation has it: after each column the best change of those that are left,
    with the inverse of their part of the Hessian computed anew (Frantar et al., 2023, equations 2 and 3)."""
    weight, hessian = weight.double().clone(), hessian.double()
    rest = torch.argsort(hessian.diag(), descending=True).tolist()
    while rest:
        column, group = rest[0], rest[0] // size
        inverse = torch.linalg.inv(hessian[rest][:, rest])
        step, zero = scales[:, group].double(), zeros[:, group].double()
        rounded = ((weight[:, column] / step + zero).round().clamp(0, 15) - zero) * step
        error = (weight[:, column] - rounded) / inverse[0, 0]
        weight[:, rest] -= error[:, None] * inverse[0]
        weight[:, column] = rounded
        rest = rest[1:]
    return weight


@pytest.mark.parametrize("symmetric", [True, False])
def test_gptq_is_the_optimal_brain_surgeon_column_by_column(symmetric: bool) -> None:
    weight, hessian = drawn(4, rows=5, columns=192)  # more columns than are rounded at a time
    scales, zeros = search_scales(weight, hessian.diag(), bits=4, group_size=16, symmetric=symmetric)
    ours = gptq(weight, hessian, scales, zeros, bits=4, group_size=16, damping=0.01)
    damped = hessian + 0.01 * hessian.diag().mean() * torch.eye(192)
    slow = brain_surgeon(weight, damped, scales, zeros, 16)
    # Single precision may round a column that lies between two values the other way.
    assert ((ours - slow).abs() < 1e-4).float().mean() > 0.97
    losses = [float(torch.trace((weight - each) @ hessian @ (weight - each).T)) for each in (ours, slow.float())]
    assert losses[0] < 1.05 * losses[1]


def test_gptq_loses_far_less_than_rounding_each_weight() -> None:
    weight, hessian = drawn(5, columns=192)
    scales, zeros = search_scales(weight, hessian.diag(), bits=4, group_size=16, symmetric=True)
    ours = gptq(weight, hessian, scales, zeros, bits=4, group_size=16, damping=0.01)
    nearest = dequantize(weight, scales, zeros, bits=4, group_size=16)
    losses = [float(torch.trace((weight - each) @ hessian @ (weight - each).T)) for each in (ours, nearest)]
    assert losses[0] < 0.5 * losses[1]
    assert torch.equal(dequantize(ours, scales, zeros, bits=4, group_size=16), ours)  # nothing between the values


@pytest.mark.parametrize("unused", [[7], list(range(0, 64, 2)), list(range(64))])
def test_an_input_that_is_always_zero_changes_nothing(unused: list[int]) -> None:
    """Samsung/TICO#412: the reference implementation zeroes the weights of such inputs, a whole layer's at worst; rows
    that were not calibrated on use them."""
    weight, hessian = drawn(6)
    used = [column for column in range(64) if column not in unused]
    hessian[unused] = hessian[:, unused] = 0
    scales, zeros = search_scales(weight, torch.ones(64), bits=4, group_size=16, symmetric=True)
    rounded = gptq(weight, hessian, scales, zeros, bits=4, group_size=16, damping=0.01)
    nearest = dequantize(weight, scales, zeros, bits=4, group_size=16)
    assert torch.equal(rounded[:, unused], nearest[:, unused])
    assert not torch.equal(rounded[:, used], nearest[:, used]) or not used


def loss(weight: torch.Tensor, rounded: torch.Tensor, inputs: torch.Tensor) -> float:
    return float((inputs @ (weight - rounded).T).square().mean())


@pytest.mark.parametrize(
    "name", ["one token", "the same token again", "repeated inputs", "attention sink", "tiny", "no spread"]
)
def test_rows_that_hardly_determine_a_hessian(name: str) -> None:
    """AutoGPTQ/AutoGPTQ#572, #708 and vllm-project/llm-compressor#142: Cholesky's factorization ends hours of work. A
    few short rows leave a Hessian of low rank; what is left has to be finite, on the grid and better than nearest."""
    generator = torch.Generator().manual_seed(8)
    plain = torch.randn(100, 512, generator=generator)
    inputs = {
        "one token": plain[:1],
        "the same token again": plain[:1].expand(100, -1),
        "repeated inputs": plain[:, :64].repeat_interleave(8, 1),
        "attention sink": torch.cat([1e4 * plain[:1], plain]),
        "tiny": 1e-20 * plain,  # single precision does not factor it
        "no spread": torch.ones(3, 512),
    }[name]
    weight = torch.randn(6, 512, generator=generator)
    hessian = 2 * inputs.T @ inputs / len(inputs)
    scales, zeros = search_scales(weight, hessian.diag(), bits=4, group_size=16, symmetric=True)
    rounded = gptq(weight, hessian, scales, zeros, bits=4, group_size=16, damping=0.01)
    nearest = dequantize(weight, scales, zeros, bits=4, group_size=16)
    assert torch.equal(dequantize(rounded, scales, zeros, bits=4, group_size=16), rounded)
    size = inputs.abs().max()
    assert loss(weight, rounded, inputs / size) < 0.6 * loss(weight, nearest, inputs / size)


def test_the_order_of_groups_is_not_that_of_the_activations() -> None:
    """intel/neural-compressor#1614 and henrywoo/pyllama#58: with groups and act-order a scale must stay with the
    columns that it was chosen for. Groups in another order are rounded as before, each with its own scale."""
    weight, hessian = drawn(9)
    groups = torch.arange(64).reshape(4, 16)[[2, 0, 3, 1]].reshape(-1)  # whole groups, another order
    results = []
    for order in (torch.arange(64), groups):
        own, diagonal = hessian[order][:, order], hessian.diag()[order]
        scales, zeros = search_scales(weight[:, order], diagonal, bits=4, group_size=16, symmetric=False)
        rounded = gptq(weight[:, order], own, scales, zeros, bits=4, group_size=16, damping=0.01)
        results.append(rounded[:, torch.argsort(order)])
    assert torch.allclose(results[0], results[1], atol=1e-4)


@pytest.mark.parametrize("sign", [1, -1])
def test_weights_of_one_sign_have_a_zero_point_that_fits(sign: int) -> None:
    """keras-team/keras#23512: zero points up to 255 of groups that do not cross zero fit no four bits."""
    weight = sign * (1 + torch.rand(4, 32, generator=torch.Generator().manual_seed(0)))
    scales, zeros = search_scales(weight, torch.ones(32), bits=4, group_size=16, symmetric=False)
    assert ((zeros >= 0) & (zeros <= 15)).all()
    rounded = dequantize(weight, scales, zeros, bits=4, group_size=16)
    assert (rounded - weight).abs().max() < 0.1
