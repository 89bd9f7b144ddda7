"""Products with bfloat16 weights in float32: as near as bfloat16 can be, only where they pay, and undone."""

from __future__ import annotations

import copy

import pytest

torch = pytest.importorskip("torch")

from olivepress.runtimes import float32_products  # noqa: E402
from olivepress.runtimes.float32_products import all_in_float32, compute_in_float32, product  # noqa: E402


@pytest.fixture(params=[False, True])
def instructions(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the processor has instructions for bfloat16."""
    monkeypatch.setattr(float32_products, "bfloat16_instructions", lambda: request.param)
    return bool(request.param)


def layer(inputs: int = 96, outputs: int = 40) -> torch.nn.Linear:
    torch.manual_seed(0)
    return torch.nn.Linear(inputs, outputs).bfloat16().requires_grad_(False)


@pytest.mark.parametrize("bias", [True, False])
def test_a_product_is_that_of_exact_numbers_rounded_once(bias: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(float32_products, "_PART", 96 * 7)  # parts that do not divide the outputs
    linear, inputs = layer(), torch.randn(2, 33, 96).bfloat16()
    offset = linear.bias if bias else None
    result = product(inputs, linear.weight, offset)
    exact = inputs.double() @ linear.weight.double().T + (linear.bias.double() if bias else 0)
    assert result.shape == (2, 33, 40) and result.dtype is torch.bfloat16
    # Half a unit of bfloat16's last place, and what float32 loses in 96 sums.
    assert (result.double() - exact).abs().le(exact.abs() * 2**-8 + 1e-5).all()


def test_an_open_model_computes_so_where_the_processor_calls_for_it(instructions: bool) -> None:
    model = torch.nn.Sequential(layer(), torch.nn.ReLU(), torch.nn.Bilinear(40, 40, 2)).bfloat16()
    before = copy.deepcopy(model[0])
    compute_in_float32(model)
    assert (type(model[0]) is torch.nn.Linear) == instructions and isinstance(model[0], torch.nn.Linear)
    assert type(model[2]) is torch.nn.Bilinear
    rows = torch.randn(64, 96).bfloat16()
    wanted = before(rows) if instructions else product(rows, before.weight, before.bias)
    assert torch.equal(model[0](rows), wanted)
    assert torch.equal(model[0](rows[:1]), before(rows[:1]))  # one token is faster as it is
    assert model.state_dict().keys() == {"0.weight", "0.bias", "2.weight", "2.bias"}


def test_inside_every_model_computes_so_and_outside_none(instructions: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    monkeypatch.setattr(float32_products, "product", lambda *given: calls.append(1) or product(*given))
    linear, rows = layer(), torch.randn(64, 96)
    own = torch.nn.Linear.forward
    with pytest.raises(KeyError), all_in_float32():
        linear(rows.bfloat16())
        linear.float()(rows)  # of any other type nothing changes
        raise KeyError
    assert len(calls) == (0 if instructions else 1)
    assert torch.nn.Linear.forward is own


def test_gradients_reach_what_is_trained_before_it_and_no_frozen_weight(instructions: bool) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(96, 96), layer())
    model[0].bfloat16()
    reference = copy.deepcopy(model).double()
    compute_in_float32(model)
    rows = torch.randn(4, 8, 96)
    model(rows.bfloat16()).square().sum().backward()
    reference(rows.bfloat16().double()).square().sum().backward()
    assert model[1].weight.grad is None
    for name, trained in model[0].named_parameters():
        exact = dict(reference[0].named_parameters())[name].grad
        assert (trained.grad.double() - exact).norm() <= 2**-6 * exact.norm(), name


def test_a_layer_that_is_trained_itself_is_computed_by_pytorch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(float32_products, "bfloat16_instructions", lambda: False)
    trained, before = layer().requires_grad_(True), layer()
    compute_in_float32(trained)
    rows = torch.randn(64, 96).bfloat16()
    assert torch.equal(trained(rows), before(rows))
    trained(rows).sum().backward()
    assert trained.weight.grad is not None
    with torch.no_grad():
        assert torch.equal(trained(rows), product(rows, before.weight, before.bias))
