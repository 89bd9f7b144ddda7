"""The record of a fine-tune, ``training.jsonl``: a JSON object for each step, written while it trains.

The training process appends a line after every optimizer step and another after every evaluation; both name the step,
and together they are its fields (``TrainingStep``). What a resumed run repeats after a kill is written again: of each
field the last value counts. A key that was not measured is absent. Keys of a line:

- ``done``: the step, from 1; ``total``: the steps of the whole run. Step 0 is before the first.
- ``loss``: of the step's batches; ``learning_rate``: that the step was made with; ``grad_norm``: of all gradients
  together before they were clipped; ``tokens``: seen so far, without padding; ``seconds``: since this process began to
  train.
- ``validation_loss``: mean over the validation rows of the mean loss of a row's tokens; ``metrics``: the task's own
  metrics of the answers to validation rows, by name; ``best``: the best step by then, for who watches the run.
- ``quality``: of the quality monitor, by the names of ``QUALITY``; ``alerts``: what of it fell at this step.
- ``not_finite``: the number of a step, ``loss`` or ``grad_norm``, that was NaN or infinite, which ended the run.
- ``rows``: once, how many rows are trained on. ``shipped``: once, at the end, which step's weights are the result.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from olivepress.core.jsonl import read_json_lines
from olivepress.core.yaml_document import Record

__all__ = [
    "CHECKPOINT",
    "PREFERENCE_ACCURACY",
    "QUALITY",
    "REWARD_MARGIN",
    "Alert",
    "Shipped",
    "TrainingRun",
    "TrainingStep",
    "not_finite",
    "read_training",
    "shipped_step",
    "step_line",
]
__all__ += ["training_run", "training_steps"]

# Of a training on pairs: the share of validation pairs whose chosen answer gained more than the rejected one, and by
# how much on average, times beta.
PREFERENCE_ACCURACY, REWARD_MARGIN = "preference_accuracy", "reward_margin"
CHECKPOINT = "checkpoint"  # the check of a fine-tune's manifest whose detail is the text of Shipped
_LARGEST = 10**12
_NUMBERS = ("loss", "validation_loss", "learning_rate", "grad_norm", "tokens", "seconds")


# What the quality monitor measures → which values are better.
QUALITY = {"perplexity": "lower", "exact_match": "higher", "format_valid": "higher", "distinct": "higher"}


class Alert(Record):
    """A number of the quality monitor is more than 10 % worse than its best until then, that of ``best_step``."""

    metric: str
    value: float
    best: float
    best_step: int

    @property
    def text(self) -> str:
        """In one line."""
        return f"{self.metric} is {self.value:.4g}, and was {self.best:.4g} at step {self.best_step}"


@dataclass(frozen=True, kw_only=True)
class TrainingStep:
    """One step of a fine-tune; None is what was not measured at it."""

    step: int
    total: int
    loss: float | None = None
    validation_loss: float | None = None
    learning_rate: float | None = None
    grad_norm: float | None = None
    tokens: float | None = None
    seconds: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    quality: Mapping[str, float] = field(default_factory=dict)
    alerts: tuple[Alert, ...] = ()


class Shipped(Record):
    """The step whose weights are the result: the best by ``metric``, or the last of ``steps`` that were made.

    ``value`` is the metric at that step, None without an evaluation; ``stopped_early`` whether early stopping ended
    the run before ``total`` steps.
    """

    step: int
    steps: int
    total: int
    metric: str
    value: float | None = None
    keep: str
    stopped_early: bool = False

    @property
    def text(self) -> str:
        """In one line."""
        measured = f", validation {self.metric} {self.value:.4g}" if self.value is not None else ""
        early = f"; stopped early at step {self.steps} of {self.total}" if self.stopped_early else ""
        return f"the {self.keep} checkpoint, step {self.step} of {self.steps}{measured}{early}"


@dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """The steps of a fine-tune, and which of them ships; None while that is not known."""

    steps: tuple[TrainingStep, ...]
    shipped: Shipped | None = None


def training_run(lines: Sequence[Any]) -> TrainingRun:
    """What the lines of a record say."""
    return TrainingRun(steps=training_steps(lines), shipped=shipped_step(lines))


def training_steps(lines: Iterable[Any]) -> tuple[TrainingStep, ...]:
    """The steps that these lines record, in order; lines that are none are skipped, and so are impossible numbers."""
    steps: dict[int, dict[str, Any]] = {}
    for line in lines:
        if not isinstance(line, Mapping):
            continue
        step = _whole(line.get("done"))
        if step is None:
            continue
        fields: dict[str, Any] = {name: number for name in _NUMBERS if (number := _number(line.get(name))) is not None}
        for name in ("metrics", "quality"):
            if values := _metrics(line.get(name)):
                fields[name] = values
        if alerts := _alerts(line.get("alerts")):
            fields["alerts"] = alerts
        if fields:
            steps.setdefault(step, {}).update(fields, total=_whole(line.get("total")) or 0)
    return tuple(TrainingStep(step=step, **steps[step]) for step in sorted(steps))


def step_line(step: TrainingStep) -> dict[str, Any]:
    """The step as one line of the record."""
    fields: dict[str, Any] = {name: value for name in _NUMBERS if (value := getattr(step, name)) is not None}
    for name, values in (("metrics", step.metrics), ("quality", step.quality)):
        if values:
            fields[name] = dict(values)
    if step.alerts:
        fields["alerts"] = [alert.model_dump() for alert in step.alerts]
    return {"done": step.step, "total": step.total, **fields}


def read_training(path: Path) -> tuple[TrainingStep, ...]:
    """The steps of a record; none where there is no file."""
    return training_steps(read_json_lines(path))


def shipped_step(lines: Iterable[Any]) -> Shipped | None:
    """Which step's weights are the result; None of a run that has not ended."""
    last = None
    for line in lines:
        if isinstance(line, Mapping) and isinstance(line.get("shipped"), Mapping):
            try:
                last = Shipped.model_validate(line["shipped"])
            except ValueError:
                continue
    return last


def not_finite(lines: Iterable[Any]) -> str | None:
    """Which number was NaN or infinite and ended the run; None where none was, or where steps follow of a later try."""
    last = None
    for line in lines:
        if isinstance(line, Mapping) and _whole(line.get("done")) is not None:
            value = line.get("not_finite")
            last = value if value in ("loss", "grad_norm") else None
    return last


def _metrics(value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        return {}
    return {str(name): number for name, given in value.items() if (number := _number(given)) is not None}


def _alerts(value: Any) -> tuple[Alert, ...]:
    alerts = list[Alert]()
    for each in value if isinstance(value, list) else ():
        try:
            alerts.append(Alert.model_validate(each))
        except ValueError:
            continue
    return tuple(alerts)


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < _LARGEST:
        return None
    return value


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
        return None
    return float(value)
