"""The ways to fine-tune: Olive's pass of each, the keys that it ignores, and which of its tensors start at zero."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from olivepress.core.yaml_document import Record

__all__ = ["METHODS", "FourBit", "Method", "four_bit_base"]

_NO_DROPOUT = "Olive's pass takes it and trains without dropout; remove it, or use lora, qlora or dora"
_NO_ADAPTER = "it trains the model's own weights and makes no adapter; remove it, or use lora"
_NO_LAYERS = "an adapter is trained in every layer; remove it, or use full"
_ALL_LINEAR = "Olive trains every linear layer but the head, whatever it says; remove it, or use lora or dora"


@dataclass(frozen=True, kw_only=True)
class Method:
    """One value of ``finetune.method``.

    ``ignores``: keys that Olive accepts and ignores, with the reason. A tensor whose last name is in
    ``starts_at_zero`` is all zero before the first step, and while it is, the adapter changes nothing: in peft 0.21.2
    ``lora_B``, LoHa's ``hada_w2_b``, and LoKr's ``lokr_w1`` (its ``lokr_w1_a`` where the left matrix is split as well).
    ``low_rank``: its update is a product of two matrices, which a base with LoRA inputs takes while it runs.
    ``adapter``: it trains one, which is merged afterwards; the result of the other is the model itself. ``pairs``: it
    trains on preferences, a chosen and a rejected answer to each prompt. ``learning_rate``: of a recipe that has none,
    where the default is not this method's.
    """

    olive_pass: str
    starts_at_zero: tuple[str, ...] = ("lora_B",)
    ignores: Mapping[str, str] = field(default_factory=dict)
    four_bit: bool = False
    low_rank: bool = False
    magnitudes: bool = False
    adapter: bool = True
    pairs: bool = False
    learning_rate: float | None = None


_NO_PAIRS = "it does not train on pairs of answers; remove it, or use dpo or orpo"
_OF_PAIRS = dict.fromkeys(("beta", "start_from"), _NO_PAIRS)
_OF_ADAPTER = {"freeze_layers": _NO_LAYERS, **_OF_PAIRS}
_PAIRED = ("dpo", "orpo")
_BY_PAIRS = {
    "freeze_layers": _NO_LAYERS,
    "lora_dropout": "TRL computes the probabilities of both answers without dropout; remove it",
    "packing": "a pair is two sequences; remove it",
    "train_on": "the last answers of a pair are compared; remove it",
    "label_smoothing": "its loss is that of pairs; remove it",
    "neftune_noise_alpha": "noise would change what both answers are compared by; remove it",
    "loss": "it has a loss of its own; remove it, or use lora",
    "label_weights": "pairs have no labels; remove it",
    "task_weights": "TRL draws the pairs; remove it",
    "gpus": "TRL's trainers run in one process here; remove it",
    "monitor": "the quality monitor reads rows with one answer; remove it",
}
_UNDROPPED = {"lora_dropout": _NO_DROPOUT, **_OF_ADAPTER}
METHODS: dict[str, Method] = {
    "lora": Method(olive_pass="LoRA", ignores=_OF_ADAPTER, low_rank=True),
    "qlora": Method(
        olive_pass="QLoRA", ignores={"target_modules": _ALL_LINEAR, **_OF_ADAPTER}, four_bit=True, low_rank=True
    ),
    "dora": Method(olive_pass="DoRA", ignores=_OF_ADAPTER, magnitudes=True),
    "loha": Method(olive_pass="LoHa", starts_at_zero=("hada_w2_b",), ignores=_UNDROPPED),
    "lokr": Method(olive_pass="LoKr", starts_at_zero=("lokr_w1", "lokr_w1_a"), ignores=_UNDROPPED),
    "full": Method(
        olive_pass="FullFinetune",
        starts_at_zero=(),
        ignores={**dict.fromkeys(("r", "alpha", "lora_dropout", "target_modules"), _NO_ADAPTER), **_OF_PAIRS},
        adapter=False,
    ),
    **{
        name: Method(olive_pass="PreferenceTuning", ignores=_BY_PAIRS, low_rank=True, pairs=True, learning_rate=2.0e-5)
        for name in _PAIRED
    },
}


class FourBit(Record):
    """How the base is quantized while an adapter is trained on it, in the words of Olive's QLoRA pass."""

    quant_type: Literal["nf4"] = "nf4"
    double_quant: bool = False
    compute_dtype: Literal["float32", "bfloat16"]


def four_bit_base(method: str, torch_dtype: str) -> FourBit | None:
    """The quantized base that ``method`` trains on; None for one that trains on the base as it is."""
    return FourBit.model_validate({"compute_dtype": torch_dtype}) if METHODS[method].four_bit else None
