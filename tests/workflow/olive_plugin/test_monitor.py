"""What the monitor does at single steps: a run that is resumed at its end, and numbers that are not finite."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("olive.workflows")

import torch

from olivepress.core.errors import JobError
from olivepress.workflow.olive_plugin import monitor as module
from olivepress.workflow.olive_plugin.monitor import TrainingMonitor
from olivepress.workflow.olive_plugin.selection import Selection
from olivepress.workflow.olive_plugin.validation import Validation


def arguments(folder: Path, *, fp16: bool = False) -> Any:
    return SimpleNamespace(output_dir=str(folder / "training"), fp16=fp16, seed=0)


def test_a_run_that_is_resumed_at_its_end_keeps_its_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without validation too: the trainer makes step 101 of 100, and the checkpoint of step 100 ships."""
    restored = list[Path]()
    monkeypatch.setattr(module, "restore", lambda model, checkpoint: restored.append(checkpoint))
    args, control, model = arguments(tmp_path), SimpleNamespace(should_training_stop=False), torch.nn.Linear(1, 1)
    state = SimpleNamespace(global_step=100, max_steps=100, epoch=1.5)
    monitor = TrainingMonitor()
    monitor.on_train_begin(args, state, control, model=model)
    assert control.should_training_stop
    control.should_training_stop, state.global_step = False, 101
    monitor.on_step_end(args, state, control, model=model)
    monitor.on_log(args, state, control, logs={"loss": math.nan})
    assert control.should_training_stop and not control.should_save
    monitor.on_train_end(args, state, control, model=model)
    assert restored == [tmp_path / "training" / "checkpoint-100"]
    assert not (tmp_path / "training.jsonl").exists()


def test_a_run_that_is_resumed_before_its_end_goes_on(tmp_path: Path) -> None:
    control, model = SimpleNamespace(should_training_stop=False), torch.nn.Linear(1, 1)
    for step, total in ((99, 100), (0, 100)):
        state = SimpleNamespace(global_step=step, max_steps=total)
        TrainingMonitor().on_train_begin(arguments(tmp_path), state, control, model=model)
    assert not control.should_training_stop


@pytest.mark.parametrize(("steps", "refused"), [(10, True), (11, False)])
def test_patience_of_a_run_whose_steps_are_known(tmp_path: Path, steps: int, refused: bool) -> None:
    """Packing makes fewer steps of the rows than the recipe's check can know: here 5 or 6 evaluations."""
    monitor = TrainingMonitor()
    monitor.validation = Validation(selection=Selection(keep="best", metric="loss", patience=4))
    state = SimpleNamespace(global_step=0, max_steps=steps, eval_steps=2)
    if not refused:
        monitor.on_train_begin(arguments(tmp_path), state, SimpleNamespace(), model=torch.nn.Linear(1, 1))
        return
    with pytest.raises(JobError, match="patience is 4 and the run has 5 evaluations, expected at most 3"):
        monitor.on_train_begin(arguments(tmp_path), state, SimpleNamespace(), model=torch.nn.Linear(1, 1))


@pytest.mark.parametrize("norm", [math.inf, math.nan])
def test_a_step_that_float16_leaves_out(tmp_path: Path, norm: float) -> None:
    """Its gradient norm is not recorded; twenty in a row end the run."""
    args, monitor = arguments(tmp_path, fp16=True), TrainingMonitor()

    def log(step: int, **logs: float) -> None:
        monitor.on_log(args, SimpleNamespace(global_step=step, max_steps=100, epoch=0.5), None, logs=logs)

    for step in range(1, 20):
        log(step, loss=1.0, grad_norm=norm)
    log(20, loss=1.0, grad_norm=0.5)
    for step in range(21, 40):
        log(step, loss=1.0, grad_norm=norm)
    lines = [json.loads(line) for line in (tmp_path / "training.jsonl").read_text().splitlines()]
    assert len(lines) == 39 and [line["done"] for line in lines if "grad_norm" in line] == [20]
    with pytest.raises(JobError, match="step 40: grad_norm is"):
        log(40, loss=1.0, grad_norm=norm)


@pytest.mark.parametrize(("fp16", "name"), [(True, "loss"), (False, "loss"), (False, "grad_norm")])
def test_a_number_that_is_not_finite_ends_the_run(tmp_path: Path, fp16: bool, name: str) -> None:
    logs, state = {"loss": 1.0, "grad_norm": 1.0} | {name: math.nan}, SimpleNamespace(global_step=3, max_steps=9)
    with pytest.raises(JobError, match=f"step 3: {name} is nan"):
        TrainingMonitor().on_log(arguments(tmp_path, fp16=fp16), state, None, logs=logs)
