"""What happens between the steps of a fine-tune: its record, early stopping, and the choice of the checkpoint."""

from __future__ import annotations

import math
import os
import time
from pathlib import Path
from typing import Any

import torch
import transformers

from olivepress.core.child.messages import MESSAGES_VARIABLE, report_progress, reports_errors
from olivepress.core.errors import DivergedError, JobError
from olivepress.core.jsonl import append_json_line
from olivepress.core.process import peak_memory_bytes
from olivepress.report.training_record import PREFERENCE_ACCURACY, REWARD_MARGIN, Shipped
from olivepress.runtimes.float32_products import compute_in_float32
from olivepress.workflow.evaluation import patience_problem
from olivepress.workflow.olive_plugin.answers import answered
from olivepress.workflow.olive_plugin.forward_hooks import add_training_hooks
from olivepress.workflow.olive_plugin.quality import Watched, take_quality
from olivepress.workflow.olive_plugin.ranks import agreed, is_first
from olivepress.workflow.olive_plugin.selection import Evaluated, best_of, evaluations, no_improvement
from olivepress.workflow.olive_plugin.validation import Validation, take_validation
from olivepress.workflow.olive_plugin.weights import restore

__all__ = ["TrainingMonitor"]

_LOGGED = {
    "loss": "loss",
    "learning_rate": "learning_rate",
    "grad_norm": "grad_norm",
    "num_input_tokens_seen": "tokens",
}
# What TRL logs of an evaluation on pairs.
_OF_PAIRS = {"eval_rewards/accuracies": PREFERENCE_ACCURACY, "eval_rewards/margins": REWARD_MARGIN}
_MOST_SKIPPED = 20  # steps in a row; the loss scale is then 2^-20 of what it was


class TrainingMonitor(transformers.TrainerCallback):
    """Stops on the first number that is not finite, and where early stopping says so; writes ``training.jsonl``.

    At the end the model has the weights of the checkpoint that ships. All decisions follow from the trainer's state,
    which every checkpoint holds: a resumed run makes them again.
    """

    skipped = 0  # steps in a row that float16 left out, as their gradients overflowed

    def __init__(self) -> None:
        self.started = time.monotonic()
        self.validation: Validation | None = take_validation()
        self.watched: Watched | None = take_quality()
        self.stopped_at: int | None = None  # the step at which early stopping ended the run

    @reports_errors
    def on_train_begin(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Called once: from here on the model is given what ``forward_hooks`` says, and what is computed in bfloat16 is
        computed as ``float32_products`` says."""
        compute_in_float32(model)
        add_training_hooks(model, of_labels=type(args) is transformers.TrainingArguments)
        self._check_patience(state)
        self._check_looks(state)
        if self.validation is not None and state.global_step:
            history = self._history(state)
            self._check_best_is_there(args, history)
            if history and history[-1].step == state.global_step and self._is_enough(history):
                self.stopped_at = state.global_step  # it was interrupted after its last step
        if state.global_step >= state.max_steps > 0:
            self.stopped_at = state.global_step
        if self.stopped_at is not None:
            control.should_training_stop = True

    def on_epoch_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Called before the rows of an epoch are put in order, of a resumed run too."""
        _seed_epoch(args, state)

    @reports_errors
    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, Any] | None = None, **_: Any) -> None:
        """Called with every logged step: loss and gradient norm."""
        logs = logs or {}
        if self._is_over(state):
            return
        broken = [name for name in ("loss", "grad_norm") if not math.isfinite(float(logs.get(name) or 0.0))]
        if "loss" in logs:
            self.skipped = self.skipped + 1 if broken == ["grad_norm"] and args.fp16 else 0
        if 0 < self.skipped < _MOST_SKIPPED:  # the loss scale of float16 is halved, and the step left out
            logs = {name: value for name, value in logs.items() if name != "grad_norm"}
        elif broken:
            self._record(args, state, not_finite=broken[0])
            message = f"step {state.global_step}: {broken[0]} is {logs[broken[0]]}; the result would be worthless"
            raise DivergedError(message, next_step="lower learning_rate, or set torch_dtype: float32")
        if "loss" in logs:  # the last log is a summary, no step
            fields: dict[str, Any] = {
                key: float(logs[name]) for name, key in _LOGGED.items() if logs.get(name) is not None
            }
            self._record(args, state, **fields, **_memory())

    @reports_errors
    def on_evaluate(
        self, args: Any, state: Any, control: Any, model: Any = None, metrics: dict[str, Any] | None = None, **_: Any
    ) -> None:
        """Called after the loss of the validation rows: their answers, and what follows from both."""
        if self.validation is None or metrics is None:
            return
        loss = float(metrics["eval_loss"])
        if not math.isfinite(loss):
            message = f"step {state.global_step}: the validation loss is {loss}"
            raise DivergedError(message, next_step="lower learning_rate, or set torch_dtype: float32")
        fields: dict[str, Any] = {"validation_loss": loss}
        logged = state.log_history[-1]
        if preferred := {name: float(logged[key]) for key, name in _OF_PAIRS.items() if key in logged}:
            fields["metrics"] = preferred
        if self.validation.questions is not None:
            fields["metrics"] = preferred | agreed(answered(model, self.validation.questions))
            named = {f"eval_{name}": value for name, value in fields["metrics"].items()}
            metrics.update(named)  # the trainer compares checkpoints by them
            state.log_history[-1].update(named)
        history = self._history(state)
        best = best_of(history, greater=self.validation.selection.greater)
        self._record(args, state, **fields, **({"best": best.step} if best is not None else {}))
        _seed_at_the_end(args, state)
        if self.validation.selection.keep == "best" and best is not None and best.step == state.global_step:
            control.should_save = True
        if self._is_enough(history):
            self.stopped_at = state.global_step
            control.should_training_stop = True
            if self.watched is not None and not self.watched.is_due(state.global_step, state.max_steps):
                self._look(args, state, model, self.watched)  # it is the last step now

    @reports_errors
    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Called after every optimizer step: a NaN in the weights must not reach the merge."""
        if self._is_over(state):  # the trainer makes one more step of a run that had ended; its weights are not kept
            control.should_log = control.should_evaluate = control.should_save = False
            control.should_training_stop = True
            return
        if self.validation is not None and state.global_step == state.max_steps:
            control.should_evaluate = True
        _seed_at_the_end(args, state)
        if self.watched is not None and self.watched.is_due(state.global_step, state.max_steps):
            self._look(args, state, model, self.watched)
        if state.global_step != 1 and state.global_step != state.max_steps:
            return
        for name, parameter in model.named_parameters():
            if parameter.requires_grad and not torch.isfinite(parameter).all():
                raise DivergedError(f"step {state.global_step}: {name} is not finite", next_step="lower learning_rate")

    def _look(self, args: Any, state: Any, model: Any, watched: Watched) -> None:
        """The quality monitor's numbers are recorded first, then an alert may end the run."""
        values, alerts = watched.look(model, state)
        fields: dict[str, Any] = {"quality": values}
        if alerts:
            fields["alerts"] = [alert.model_dump() for alert in alerts]
        fields["notes"] = [f"alert at step {state.global_step}: {alert.text}" for alert in alerts]
        self._record(args, state, **{name: value for name, value in fields.items() if value})
        for alert in alerts:
            print(f"olivepress: alert at step {state.global_step}: {alert.text}")
        if alerts and watched.settings.on_alert == "fail":
            raise JobError(
                f"step {state.global_step}: {alerts[0].text}, and finetune.monitor.on_alert is fail",
                next_step="olivepress diagnose shows the curves; on_alert: warn goes on from the last checkpoint",
            )

    @reports_errors
    def on_train_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        """Called once, before Olive saves the model: it gets the weights of the checkpoint that ships."""
        if self.validation is None:
            if self._is_over(state) and is_first():
                restore(model, _checkpoint(args, self.stopped_at))
            return
        selection = self.validation.selection
        history, steps = self._history(state), self.stopped_at or state.global_step
        by_step = {each.step: each for each in history}
        best = best_of(history, greater=selection.greater)
        chosen = best if selection.keep == "best" else by_step.get(steps)
        step = chosen.step if chosen is not None else steps
        if step != state.global_step and is_first():
            restore(model, _checkpoint(args, step))
        shipped = Shipped(
            step=step,
            steps=steps,
            total=state.max_steps,
            metric=selection.metric,
            value=chosen.value if chosen is not None else None,
            keep=selection.keep,
            stopped_early=self.stopped_at is not None and self.stopped_at < state.max_steps,
        )
        print(f"olivepress: {shipped.text}")
        self._record(args, state, step=steps, shipped=shipped.model_dump())

    def _history(self, state: Any) -> list[Evaluated]:
        assert self.validation is not None
        return evaluations(state.log_history, self.validation.selection.metric)

    def _is_enough(self, history: list[Evaluated]) -> bool:
        """Whether early stopping ends the run after these evaluations."""
        assert self.validation is not None
        selection = self.validation.selection
        if selection.patience is None:
            return False
        count = no_improvement(history, greater=selection.greater, min_delta=selection.min_delta)
        return count >= selection.patience

    def _check_patience(self, state: Any) -> None:
        """JobError when early stopping could only end the run at its last step; packing makes fewer steps of rows."""
        if self.validation is None or self.validation.selection.patience is None or not state.eval_steps:
            return
        count = math.ceil(state.max_steps / state.eval_steps)
        problem = patience_problem(self.validation.selection.patience, count)
        if problem:
            raise JobError(problem, next_step="change patience, or finetune.eval_steps")

    def _check_looks(self, state: Any) -> None:
        """JobError when the quality monitor would look once: nothing can fall then. Packing makes fewer steps."""
        if self.watched is None or self.watched.settings.every < state.max_steps:
            return
        problem = f"{self.watched.settings.every}, expected less than the {state.max_steps} steps of the run"
        raise JobError(f"finetune.monitor.every is {problem}", next_step="change finetune.monitor.every")

    def _is_over(self, state: Any) -> bool:
        return self.stopped_at is not None and state.global_step > self.stopped_at

    def _check_best_is_there(self, args: Any, history: list[Evaluated]) -> None:
        """JobError when the best checkpoint so far is not among those that the run is resumed from."""
        assert self.validation is not None
        selection = self.validation.selection
        best = best_of(history, greater=selection.greater)
        if selection.keep == "best" and best is not None and not _checkpoint(args, best.step).is_dir():
            raise JobError(
                f"{_checkpoint(args, best.step).name}, the best by {selection.metric}, is not among the checkpoints of "
                "the run that is resumed: its metric was changed, or files were removed",
                next_step=f"remove {args.output_dir} to train from the start",
            )

    def _record(self, args: Any, state: Any, *, step: int | None = None, **fields: Any) -> None:
        """Append to the record: where olivepress reads it, or beside the checkpoints of a plain ``olive run``."""
        if not is_first():
            return
        done = state.global_step if step is None else step
        fields["seconds"] = round(time.monotonic() - self.started, 3)
        if os.environ.get(MESSAGES_VARIABLE):
            report_progress(done, state.max_steps, **fields)
        elif args.output_dir:
            folder = Path(args.output_dir)
            line = {"done": done, "total": state.max_steps, **fields}
            append_json_line(folder.with_name(f"{folder.name}.jsonl"), line, sync=False)


def _memory() -> dict[str, int]:
    """The most bytes that this process has had by now, in the machine's memory and in that of its accelerator."""
    memory = {"peak_memory_bytes": peak_memory_bytes()}
    if torch.cuda.is_available():
        memory["peak_accelerator_memory_bytes"] = int(torch.cuda.max_memory_allocated())
    return memory


def _seed_epoch(args: Any, state: Any) -> None:
    """The order of the rows is drawn from torch's own generator: of each epoch from a seed of its own.

    A resumed run draws the order of its epoch again, from a generator that knows nothing of the epochs before.
    """
    torch.manual_seed(int(args.seed) + int(state.epoch or 0))


def _seed_at_the_end(args: Any, state: Any) -> None:
    """A checkpoint at the end of an epoch holds the generator as the next epoch begins with it."""
    if state.epoch and float(state.epoch).is_integer():
        _seed_epoch(args, state)


def _checkpoint(args: Any, step: int | None) -> Path:
    return Path(args.output_dir, f"checkpoint-{step}")
