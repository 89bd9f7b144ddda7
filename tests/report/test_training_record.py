"""The record of a fine-tune: lines of one step together, repeated steps once, and which step ships."""

from __future__ import annotations

import json
from pathlib import Path

from olivepress.report.training_record import (
    Alert,
    TrainingStep,
    not_finite,
    read_training,
    shipped_step,
    step_line,
    training_steps,
)

SHIPPED = {"step": 1, "steps": 2, "total": 9, "metric": "loss", "value": 1.5, "keep": "best", "stopped_early": True}


def test_training_and_evaluation_are_one_step() -> None:
    lines = [
        {"done": 0, "total": 0, "rows": {"rows": 5}},
        {"done": 1, "total": 9, "loss": 2.0, "learning_rate": 0.1, "grad_norm": 3.0, "tokens": 40.0, "seconds": 1.0},
        {"done": 1, "total": 9, "validation_loss": 1.5, "metrics": {"exact_match": 0.5}, "seconds": 1.5},
        {"done": 2, "total": 9, "loss": 1.0},
        {"done": 2, "total": 9, "shipped": SHIPPED},
    ]
    first, second = training_steps(lines)
    assert first == TrainingStep(
        step=1,
        total=9,
        loss=2.0,
        validation_loss=1.5,
        learning_rate=0.1,
        grad_norm=3.0,
        tokens=40.0,
        seconds=1.5,
        metrics={"exact_match": 0.5},
    )
    assert (second.step, second.loss, second.validation_loss) == (2, 1.0, None)
    assert training_steps([step_line(first), step_line(second)]) == (first, second)
    shipped = shipped_step(lines)
    assert shipped is not None
    assert shipped.text == "the best checkpoint, step 1 of 2, validation loss 1.5; stopped early at step 2 of 9"


def test_the_quality_monitor_and_a_number_that_is_not_finite() -> None:
    alert = Alert(metric="exact_match", value=0.4, best=0.8, best_step=2)
    lines = [
        {"done": 4, "total": 9, "loss": 1.0},
        {"done": 4, "total": 9, "quality": {"exact_match": 0.4}, "alerts": [alert.model_dump(), {"metric": 3}]},
    ]
    [step] = training_steps(lines)
    assert (step.loss, step.quality, step.alerts) == (1.0, {"exact_match": 0.4}, (alert,))
    assert training_steps([step_line(step)]) == (step,)
    assert alert.text == "exact_match is 0.4, and was 0.8 at step 2"
    broken = {"done": 5, "total": 9, "not_finite": "grad_norm"}
    assert not_finite([*lines, broken]) == "grad_norm"
    assert not_finite([*lines, broken, {"done": 5, "total": 9, "loss": 0.9}]) is None  # a later try got further
    assert not_finite([{"done": 5, "not_finite": "x"}, {"not_finite": "loss"}, 7]) is None


def test_a_repeated_step_counts_as_it_was_the_last_time(tmp_path: Path) -> None:
    lines = [{"done": 1, "total": 2, "loss": 2.0}, {"done": 2, "total": 2, "loss": 1.0}]
    lines += [{"done": 2, "total": 2, "loss": 0.5}]
    path = tmp_path / "record.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"done": 3, "los')
    assert [(each.step, each.loss) for each in read_training(path)] == [(1, 2.0), (2, 0.5)]
    assert read_training(tmp_path / "none.jsonl") == ()


def test_what_no_trainer_writes_is_left_out() -> None:
    odd = [None, 3, {"done": -1, "loss": 1.0}, {"done": True, "loss": 1.0}, {"done": 1, "loss": float("nan")}]
    odd += [{"done": 2, "loss": "4", "metrics": [1]}, {"done": 10**400, "loss": 1.0}, {"shipped": {"step": "x"}}]
    assert training_steps(odd) == () and shipped_step(odd) is None
