"""Our own trainer: the same weights as Olive's where it is asked for the same, and rows by their weight."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("olive.workflows")

from safetensors.numpy import load_file

from olivepress.workflow.olive_plugin.passes.trainer import OwnTrainer, WeightedRows
from olivepress.workflow.olive_plugin.rows import WEIGHT, as_inputs
from olivepress.workflow.olive_plugin.supervision import Supervised
from tests.workflow.olive_plugin.test_own_loss import CROSS_ENTROPY
from tests.workflow.olive_plugin.training import same, train

SHORT = {"max_steps": 4, "batch_size": 2, "gradient_accumulation_steps": 2, "eval_rows": 4, "learning_rate": 0.01}


def test_cross_entropy_of_ones_own_gives_the_same_weights(project: Path) -> None:
    """Olive's LoRA pass, and ours with a loss that computes the same: with accumulated gradients, bit by bit."""
    (project / "losses.py").write_text(CROSS_ENTROPY)
    plain = train(project, SHORT)
    own = train(project, SHORT | {"loss": {"module": "losses.py:cross_entropy"}}, trust=True)
    assert same(plain.tensors, own.tensors)
    assert own.validation == pytest.approx(plain.validation, rel=1e-6)


def test_rows_are_drawn_by_their_weight_and_again_alike() -> None:
    weights = [1.0] * 500 + [3.0] * 500
    sampler = WeightedRows(weights, seed=7)
    first = list(sampler)
    assert len(first) == len(sampler) == 1000
    heavy = sum(index >= 500 for index in first)
    assert 700 <= heavy <= 800  # three of four; 750 and 13.7 are the mean and deviation of a binomial
    assert list(sampler) == first and list(WeightedRows(weights, seed=7)) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
    assert Counter(first) != Counter(list(WeightedRows(weights, seed=8)))


@pytest.mark.parametrize(("data_seed", "expected"), [(0, 0), (3, 3), (None, 7)])
def test_rows_are_drawn_by_the_seed_of_the_data(data_seed: int | None, expected: int) -> None:
    """0 is a seed like any other; without one it is that of the run."""
    trainer = object.__new__(OwnTrainer)
    trainer.weights = [1.0, 2.0, 3.0] * 20
    arguments: Any = SimpleNamespace(seed=7, data_seed=data_seed)
    trainer.args = arguments
    assert list(trainer._get_train_sampler()) == list(WeightedRows(trainer.weights, seed=expected))


def test_a_row_has_the_weight_of_its_label() -> None:
    examples = [Supervised(input_ids=(1, 2), labels=(-100, 2), label=label) for label in ("a", "b", None)]
    rows = as_inputs(examples, {"a": 4.0})
    assert [rows[index][0][WEIGHT] for index in range(3)] == [4.0, 1.0, 1.0]
    assert WEIGHT not in as_inputs(examples)[0][0]


@pytest.mark.parametrize("settings", [{"freeze_layers": 1}, {"gradient_checkpointing": True, "freeze_layers": 1}])
def test_mixed_precision_and_frozen_layers(settings: dict[str, object], project: Path) -> None:
    """Weights stay float32 while bfloat16 is computed in; the first layer and the embeddings stay the base's.

    Recomputing the activations changes nothing but memory.
    """
    full = SHORT | {"method": "full", "torch_dtype": "bfloat16", "learning_rate": 0.001}
    trained = train(project, full | settings)
    base = load_file("models/tiny-phi/model.safetensors")
    assert {str(tensor.dtype) for tensor in trained.tensors.values()} == {"float32"}
    same_as_base = {name for name, tensor in trained.tensors.items() if (tensor == base[name].astype("float32")).all()}
    frozen = {name for name in base if "embed_tokens" in name or ".layers.0." in name}
    assert same_as_base == frozen and 0 < len(frozen) < len(base)


@pytest.mark.parametrize(
    "method", [{"method": "lora"}, {"method": "full", "learning_rate": 0.001}], ids=["lora", "full"]
)
def test_smoothing_and_noise_reach_the_training(method: dict[str, object], project: Path) -> None:
    """The first loss is that of unchanged weights: smoothed by hand it is a mean over the vocabulary as well."""
    plain, smooth, noisy = (
        train(project, SHORT | method | {"max_steps": 2} | changes)
        for changes in ({}, {"label_smoothing": 0.2}, {"neftune_noise_alpha": 20.0})
    )
    first = [run.steps[0].loss or 0.0 for run in (plain, smooth, noisy)]
    assert first[1] > first[0] + 0.1 and first[2] != first[0]
    assert not same(plain.tensors, smooth.tensors) and not same(plain.tensors, noisy.tensors)
    # The noise is of training alone.
    assert noisy.validation[1] == pytest.approx(plain.validation[1], abs=0.2)
