"""A model's weights rounded in PyTorch as Olive's passes do it: layer by layer, with calibration rows in batches.

What rounds is Olive's own (WeightQuantizer, Gptq) and ours (CalibratedGptq); the order is that of Olive's
run_layerwise_quantization: a layer sees what the rounded layers before it make of the rows. Batches are padded on the
right, which no token before it attends to, and padding is kept out of the Hessians: beside Olive, which takes the rows
apart, the result is the same but for the order of its sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from olive.common.hf.wrapper import ModelWrapper
from olive.common.quant.utils import WeightQuantizer
from olive.passes.pytorch.gptq import Gptq
from olive.passes.pytorch.quant_utils import QuantInfo, run_layer
from olive.passes.pytorch.selective_mixed_precision import SelectiveMixedPrecision

from olivepress.workflow.olive_plugin.passes.calibrated_gptq import CalibratedGptq, projections
from olivepress.workflow.olive_plugin.supervision import IGNORE_INDEX, Supervised

__all__ = ["Batch", "Rounding", "batches", "quantize"]

_PASSES: dict[str, Callable[[torch.nn.Module], None]] = {
    "Gptq": Gptq.process_module,
    "CalibratedGptq": CalibratedGptq.process_module,
}


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """How the projections are rounded, and the head; the embedding always by Rtn in 8 bits."""

    method: Literal["Rtn", "Gptq", "CalibratedGptq"]
    symmetric: bool = True
    bits: int = 4
    widest_group: int = 256
    mixed: bool = False  # the layers of k_quant_mixed in 8 bits
    eight_bits: tuple[str, ...] = ()  # projections in 8 bits in every layer, as CalibratedGptq names them
    head_bits: int = 8
    head_method: Literal["Rtn", "Gptq", "CalibratedGptq"] = "Rtn"


@dataclass(frozen=True, kw_only=True)
class Batch:
    """``rows`` are the places of its rows in the list; the tensors are [rows, tokens], ``real`` false for padding."""

    rows: tuple[int, ...]
    input_ids: torch.Tensor
    labels: torch.Tensor
    real: torch.Tensor

    def inputs(self) -> dict[str, Any]:
        return {"input_ids": self.input_ids, "attention_mask": self.real.long(), "use_cache": False}


def batches(examples: Sequence[Supervised], size: int) -> list[Batch]:
    """Rows of about the same length together, shortest first; with a ``size`` of 1 each alone, in their order."""
    order = list(range(len(examples)))
    if size > 1:
        order.sort(key=lambda index: len(examples[index].input_ids))
    return [_batch(examples, order[first : first + size]) for first in range(0, len(order), size)]


def _batch(examples: Sequence[Supervised], rows: Sequence[int]) -> Batch:
    width = max(len(examples[row].input_ids) for row in rows)
    input_ids = torch.zeros(len(rows), width, dtype=torch.long)
    labels = torch.full_like(input_ids, IGNORE_INDEX)
    real = torch.zeros_like(input_ids, dtype=torch.bool)
    for place, row in enumerate(rows):
        length = len(examples[row].input_ids)
        input_ids[place, :length] = torch.tensor(examples[row].input_ids)
        labels[place, :length] = torch.tensor(examples[row].labels)
        real[place, :length] = True
    return Batch(rows=tuple(rows), input_ids=input_ids, labels=labels, real=real)


@torch.no_grad()
def quantize(model: Any, calibration: Sequence[Batch], rounding: Rounding, group_size: int) -> None:
    """Replace the weights of the projections, the head and the embedding by their rounded values."""
    model.eval()
    wrapper = ModelWrapper.from_model(model)
    wrapper.maybe_untie_word_embeddings()
    head, head_name = wrapper.get_lm_head()
    (embedding, *_), _ = wrapper.get_embeds()
    high = _high_precision(wrapper, rounding)
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Linear) and name != head_name:
            _attach(module, 8 if name in high else rounding.bits, rounding.symmetric, group_size)
    _attach(head, rounding.head_bits, rounding.symmetric, group_size)
    states = _layer_inputs(wrapper, calibration) if {rounding.method, rounding.head_method} != {"Rtn"} else []
    for layer in wrapper.get_layers(return_name=False):
        states = _through(layer, states, rounding.method)
    if rounding.head_method != "Rtn":
        norm = wrapper.get_pre_head_layernorm(return_name=False)
        states = [replace(state, hidden=norm(state.hidden), args=(), kwargs={}) for state in states]
    _round([head], head, states, rounding.head_method)
    _attach(embedding, 8, rounding.symmetric, group_size)
    _round([embedding], embedding, [], "Rtn")


def _high_precision(wrapper: Any, rounding: Rounding) -> frozenset[str]:
    """The projections that get 8 bits."""
    if not rounding.mixed:
        return frozenset(projections(wrapper, rounding.eight_bits))
    _, overrides = SelectiveMixedPrecision.get_k_quant_config(wrapper, "k_quant_mixed", 4, 8)
    return frozenset(overrides)


def _attach(module: Any, bits: int, symmetric: bool, group_size: int) -> None:
    module.quant_info = QuantInfo(quantizer=WeightQuantizer(bits=bits, symmetric=symmetric, group_size=group_size))


@dataclass(frozen=True, kw_only=True)
class _State:
    """What a layer is called with for one batch."""

    hidden: torch.Tensor
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    real: torch.Tensor


class _Captured(Exception):
    """Ends a forward pass once the first layer is reached."""


def _layer_inputs(wrapper: Any, calibration: Sequence[Batch]) -> list[_State]:
    """What the first layer is called with."""
    calls: list[tuple[tuple[Any, ...], dict[str, Any]]] = []

    def capture(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        calls.append((args, kwargs))
        raise _Captured

    handle = wrapper.get_layers(return_name=False)[0].register_forward_pre_hook(capture, with_kwargs=True)
    states = []
    for batch in calibration:
        try:
            wrapper.model(**batch.inputs())
        except _Captured:
            args, kwargs = calls.pop()
            hidden = kwargs.pop("hidden_states") if "hidden_states" in kwargs else args[0]
            states.append(_State(hidden=hidden, args=args[1:], kwargs=kwargs, real=batch.real))
    handle.remove()
    return states


def _through(layer: Any, states: list[_State], method: str) -> list[_State]:
    """Round a layer's projections; returns what the layers behind it are called with."""
    modules = [module for module in layer.modules() if hasattr(module, "quant_info")]
    _round(modules, layer, states, method)
    return [replace(state, hidden=_run(layer, state)[0]) for state in states]


def _accumulate(modules: Sequence[Any], layer: Any, states: Sequence[_State]) -> None:
    """The Hessians of ``modules``, by Olive's own hook, from the tokens that are real."""
    for state in states:

        def see(module: Any, given: tuple[torch.Tensor, ...], _output: Any, real: torch.Tensor = state.real) -> None:
            Gptq.accumulate_hessian(module, (given[0][real][None],), None)

        handles = [module.register_forward_hook(see) for module in modules]
        _run(layer, state)
        for handle in handles:
            handle.remove()


def _run(layer: Any, state: _State) -> Any:
    return run_layer(layer, [state.hidden], [state.args], [state.kwargs], return_output=True)


def _round(modules: Sequence[Any], layer: Any, states: Sequence[_State], method: str) -> None:
    """Round modules of ``layer`` (or the layer itself), called with ``states``."""
    if method != "Rtn":
        _accumulate(modules, layer, states)
    for module in modules:
        if method == "Rtn":
            module.weight.data = module.quant_info.quantizer.fake_quantize(module.weight.data)
        else:
            _PASSES[method](module)
        del module.quant_info
