"""Which checkpoint is the best and when a run no longer improves, from numbers alone."""

from __future__ import annotations

import pytest

from olivepress.core.errors import JobError
from olivepress.workflow.olive_plugin.selection import Evaluated, best_of, evaluations, no_improvement


def history(*values: float) -> list[Evaluated]:
    return [Evaluated(step=10 * (number + 1), value=value) for number, value in enumerate(values)]


@pytest.mark.parametrize(
    ("values", "greater", "step"),
    [
        ((3.0, 2.0, 2.5), False, 20),
        ((3.0, 2.0, 2.0), False, 20),  # of equal ones the first
        ((0.1, 0.4, 0.4, 0.2), True, 20),
        ((1.0,), False, 10),
        ((-1.0, -2.0), False, 20),
    ],
)
def test_the_best_checkpoint(values: tuple[float, ...], greater: bool, step: int) -> None:
    best = best_of(history(*values), greater=greater)
    assert best is not None and best.step == step


def test_no_evaluation_has_no_best() -> None:
    assert best_of([], greater=False) is None
    assert no_improvement([], greater=False, min_delta=0.0) == 0


@pytest.mark.parametrize(
    ("values", "greater", "min_delta", "count"),
    [
        ((3.0, 2.0, 1.0), False, 0.0, 0),
        ((3.0, 2.0, 2.0, 2.1), False, 0.0, 2),
        ((3.0, 2.95, 2.9), False, 0.1, 2),
        ((3.0, 2.0, 1.85, 1.7), False, 0.1, 0),
        ((0.5, 0.4, 0.6, 0.6), True, 0.0, 1),
    ],
)
def test_evaluations_without_an_improvement(
    values: tuple[float, ...], greater: bool, min_delta: float, count: int
) -> None:
    assert no_improvement(history(*values), greater=greater, min_delta=min_delta) == count


@pytest.mark.parametrize("min_delta", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("greater", [False, True])
def test_it_counts_as_the_callback_of_transformers(greater: bool, min_delta: float) -> None:
    """EarlyStoppingCallback itself is given the same evaluations, one after the other."""
    transformers = pytest.importorskip("transformers")
    import numpy as np

    values = np.random.default_rng(0).normal(size=60).round(1).tolist()
    theirs = transformers.EarlyStoppingCallback(early_stopping_patience=10**6, early_stopping_threshold=min_delta)
    arguments = transformers.TrainingArguments(
        output_dir="unused", metric_for_best_model="loss", greater_is_better=greater, use_cpu=True
    )
    state, control = transformers.TrainerState(), transformers.TrainerControl()
    for number, value in enumerate(values):
        theirs.on_evaluate(arguments, state, control, {"eval_loss": value})
        better = state.best_metric is None or (value > state.best_metric if greater else value < state.best_metric)
        state.best_metric = value if better else state.best_metric
        ours = no_improvement(history(*values[: number + 1]), greater=greater, min_delta=min_delta)
        assert ours == theirs.early_stopping_patience_counter


def test_evaluations_are_read_from_the_log_of_a_trainer() -> None:
    log = [
        {"step": 1, "loss": 3.0},
        {"step": 2, "eval_loss": 2.0, "eval_exact_match": 0.5},
        {"step": 4, "eval_loss": 2.5, "eval_exact_match": 0.75},
    ]
    assert evaluations(log, "loss") == [Evaluated(step=2, value=2.0), Evaluated(step=4, value=2.5)]
    assert evaluations(log, "exact_match")[-1] == Evaluated(step=4, value=0.75)


def test_a_checkpoint_of_another_metric() -> None:
    with pytest.raises(JobError, match=r"not evaluated by exact_match at step 2: its metric was changed") as error:
        evaluations([{"step": 2, "eval_loss": 2.0}], "exact_match")
    assert "restore early_stopping.metric" in str(error.value.next_step)
