"""What a search tries: which keys of ``finetune``, between which values, and for how long."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError, create_model, field_validator, model_validator

from olivepress.core.yaml_document import Record
from olivepress.recipe.finetune import Finetune, FinetuneChanges, Seed
from olivepress.recipe.methods import METHODS

__all__ = [
    "MOST_POINTS",
    "NOT_SEARCHED",
    "SEARCHED",
    "Axis",
    "Joint",
    "Search",
    "Value",
    "Values",
    "is_whole",
    "value_problem",
]

# Lists, not JSON's alone: where a rule looks at a mapping before it is read, pydantic no longer knows it as JSON.
Names = Annotated[tuple[str, ...], Field(strict=False)]
Value = bool | int | float | str | Names | None
MethodName = Literal["lora", "qlora", "dora", "loha", "lokr", "full", "dpo", "orpo"]

# The keys that a search may vary: every trial's validation loss means the same, whatever they are.
SEARCHED = (
    "method", "r", "alpha", "lora_dropout", "target_modules", "learning_rate", "lr_scheduler_type", "warmup_ratio",
    "weight_decay", "max_grad_norm", "batch_size", "gradient_accumulation_steps", "packing", "torch_dtype", "optim",
    "freeze_layers", "neftune_noise_alpha",
)  # fmt: skip
_WHOLE = ("r", "batch_size", "gradient_accumulation_steps", "freeze_layers")
_REAL = (
    "alpha", "lora_dropout", "learning_rate", "warmup_ratio", "weight_decay", "max_grad_norm", "neftune_noise_alpha",
)  # fmt: skip
_LENGTH = "all trials train equally long: search.length is their share of the recipe's own length"
_MEASURE = "it changes what the validation loss measures, so that trials could not be compared"
_CHECKPOINT = "it decides when the validation loss is measured, which must be the same in all trials"
NOT_SEARCHED: Mapping[str, str] = {
    "epochs": _LENGTH,
    "max_steps": _LENGTH,
    "train_on": _MEASURE,
    "label_smoothing": _MEASURE,
    "loss": _MEASURE,
    "beta": _MEASURE,
    "start_from": "it decides what is trained further, and is no setting to search",
    "monitor": "it watches a fine-tune and does not change the result",
    "label_weights": "weights of labels are a decision about the task, not a setting to search",
    "task_weights": "weights of tasks are a decision about them, not a setting to search",
    "eval_steps": _CHECKPOINT,
    "eval_rows": _CHECKPOINT,
    "eval_answers": _CHECKPOINT,
    "early_stopping": _CHECKPOINT,
    "keep": _CHECKPOINT,
    "save_steps": "it changes when checkpoints are written, not the result",
    "gradient_checkpointing": "it changes memory and time, not the result",
    "gpus": "it changes where a batch is computed, not the result",
    "report_to": "it changes what is recorded, not the result",
}
_MOST_TRIALS = 100_000  # and most values of a setting in a grid
MOST_POINTS = 100  # of a grid that may run without a budget
_TOLERANCE = 1e-9


class Values(Record):
    """A range or a list of values."""

    low: float | None = Field(None, description="smallest value")
    high: float | None = Field(None, description="largest value")
    log: bool = Field(False, description="values are drawn evenly over their logarithms")
    step: float | None = Field(None, gt=0, description="from one value to the next, counted from low")
    choices: Annotated[tuple[Value, ...], Field(strict=False)] | None = Field(
        None, description="instead of low and high: these values"
    )

    @property
    def is_given(self) -> bool:
        return self.choices is not None or self.low is not None or self.high is not None

    @model_validator(mode="after")
    def _range_or_choices(self) -> Values:
        if not self.is_given:
            return self
        if self.choices is not None:
            self._check_choices(self.choices)
        elif self.low is None or self.high is None:
            raise ValueError("both low and high, or choices")
        else:
            self._check_range(self.low, self.high)
        return self

    def _check_choices(self, choices: tuple[Value, ...]) -> None:
        if self.low is not None or self.high is not None or self.log or self.step is not None:
            raise ValueError("either choices, or low and high")
        if not choices:
            raise ValueError("at least one value in choices")
        texts = [json.dumps(choice) for choice in choices]
        repeated = next((text for text in texts if texts.count(text) > 1), None)
        if repeated is not None:
            raise ValueError(f"each of choices once, {repeated} is there twice")

    def _check_range(self, low: float, high: float) -> None:
        if not low < high:
            raise ValueError(f"low below high, not {low:g} and {high:g}")
        if self.log and low <= 0:
            raise ValueError(f"low above 0 with log: true, whose logarithm exists; it is {low:g}")
        if self.log and self.step is not None:
            raise ValueError("either log or step")
        if self.step is not None and not _divides(self.step, high - low):
            raise ValueError(f"a step that leads from low to high; {self.step:g} does not from {low:g} to {high:g}")


class Axis(Values):
    """The values of a key: a range, a list, or those of each method."""

    by_method: dict[MethodName, Values] = Field({}, description="method → its own values; of others the recipe's own")

    @model_validator(mode="after")
    def _something_to_try(self) -> Axis:
        if self.is_given == bool(self.by_method):
            raise ValueError("low and high, or choices, or by_method with these for each method")
        if not all(values.is_given for values in self.by_method.values()):
            raise ValueError("low and high, or choices, for each method under by_method")
        return self

    def of_method(self, method: str) -> Values | None:
        """The values for this method; None where it keeps the recipe's own."""
        if self.by_method:
            return {str(name): values for name, values in self.by_method.items()}.get(method)
        return self


class Joint(Record):
    """What ``--joint`` exports in each trial, and which artifact wins."""

    targets: Names = Field((), description="targets of the recipe to try, its default first; all when left out")
    choose: Literal["smallest", "fastest", "best"] = Field(
        "smallest", description="of the artifacts that keep quality within the margin: the one that wins"
    )
    margin: float = Field(
        0.02, gt=0, lt=1, description="what an artifact's quality may lie below the best one's, as a share"
    )

    @field_validator("targets")
    @classmethod
    def _each_target_once(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        repeated = next((name for name in targets if targets.count(name) > 1), None)
        if repeated is not None:
            raise ValueError(f"each target once, {repeated!r} is there twice")
        return targets


class _Search(Record):
    """A search of the best fine-tune: the keys of ``finetune`` that vary, and how they are searched."""

    sampler: Literal["tpe", "random", "grid"] = Field(
        "tpe", description="tpe learns from the trials before it; random; grid: every combination once"
    )
    pruner: Literal["median", "hyperband", "none"] = Field(
        "median", description="ends trials early whose validation loss is behind that of the others"
    )
    trials: int | None = Field(None, ge=1, le=_MOST_TRIALS, description="most trials, of all processes together")
    minutes: float | None = Field(
        None, gt=0, le=1.0e6, description="no trial starts when all of them together have taken so long"
    )
    length: float = Field(0.25, gt=0, le=1, description="of a trial: share of the recipe's epochs or max_steps")
    finalists: int = Field(3, ge=1, le=100, description="best trials that are trained at full length")
    seeds: int = Field(3, ge=2, le=20, description="seeds of each finalist, and fresh ones of the final comparison")
    seed: Seed = Field(0, description="of the search; the same seed proposes the same trials")
    joint: Joint | None = Field(None, description="of search finetune --joint: targets, and how the winner is chosen")

    @model_validator(mode="before")
    @classmethod
    def _only_what_can_be_searched(cls, given: Any) -> Any:
        if isinstance(given, Mapping):
            for key in given:
                if key in NOT_SEARCHED:
                    raise ValueError(f"no key '{key}' under search: {NOT_SEARCHED[key]}")
            if isinstance(given.get("seed"), Mapping):
                raise ValueError("a number as seed: a seed is no setting, finalists are trained with several of them")
        return given

    @model_validator(mode="after")
    def _values_that_finetune_takes(self) -> _Search:
        if not self.axes:
            raise ValueError(f"at least one key to search: {', '.join(SEARCHED)}")
        for key, axis in self.axes.items():
            if key == "method" and axis.by_method:
                raise ValueError("choices for method, not by_method")
            for values in axis.by_method.values() if axis.by_method else (axis,):
                _check_values(key, values)
        methods = self.methods
        paired = [method for method in methods or () if METHODS[method].pairs]
        if methods and paired and len(methods) > 1:
            raise ValueError(f"{paired[0]} alone as method: its validation loss is that of pairs of answers")
        for key, axis in self.axes.items():
            ignoring = [method for method in methods or () if key in METHODS[method].ignores]
            if methods and len(ignoring) == len(methods):
                raise ValueError(f"no key '{key}' with method {methods[0]}: {METHODS[methods[0]].ignores[key]}")
            unknown = [name for name in axis.by_method if methods is not None and name not in methods]
            if unknown:
                raise ValueError(f"only methods that are searched under {key}.by_method, not {unknown[0]}")
        return self

    @model_validator(mode="after")
    def _ends(self) -> _Search:
        if self.sampler == "grid":
            for key, axis in self.axes.items():
                for values in axis.by_method.values() if axis.by_method else (axis,):
                    if values.choices is None and values.step is None and key not in _WHOLE:
                        raise ValueError(f"choices or a step for {key} with sampler: grid")
                    if values.log:
                        raise ValueError(f"choices for {key} with sampler: grid, which has no log")
                    if (count := _count(values)) > _MOST_TRIALS:
                        raise ValueError(f"a larger step for {key} with sampler: grid, as it has {count:,} values")
        return self

    @model_validator(mode="after")
    def _has_an_end(self) -> _Search:
        if self.trials is not None or self.minutes is not None:
            return self
        if self.sampler != "grid":
            raise ValueError("trials or minutes (or both), which end the search")
        if (points := grid_size(self)) > MOST_POINTS:
            raise ValueError(f"trials or minutes, as the grid has {points:,} points")
        return self

    @property
    def axes(self) -> dict[str, Axis]:
        """Key of ``finetune`` → its values, in the order of the keys."""
        return {key: axis for key in SEARCHED if (axis := getattr(self, key)) is not None}

    @property
    def methods(self) -> tuple[str, ...] | None:
        """The methods that are searched; None where the recipe's own stays."""
        axis = self.axes.get("method")
        return None if axis is None else tuple(str(choice) for choice in axis.choices or ())


def grid_size(search: _Search) -> int:
    """Points of the grid: every combination of the values that each method takes."""
    points, targets = 0, len(search.joint.targets) if search.joint is not None else 1
    for method in search.methods or ("",):
        counts = []
        for key, axis in search.axes.items():
            values = axis.of_method(method)
            if key == "method" or values is None or (method and key in METHODS[method].ignores):
                continue
            counts.append(_count(values))
        points += math.prod(counts)
    return points * max(1, targets)


def _count(values: Values) -> int:
    if values.choices is not None:
        return len(values.choices)
    assert values.low is not None and values.high is not None
    return round((values.high - values.low) / (values.step or 1)) + 1


def value_problem(key: str, value: Value) -> str | None:
    """What ``finetune`` expects in place of this value; None when it takes it."""
    try:
        FinetuneChanges.model_validate_json(json.dumps({key: value}))
    except ValidationError as error:
        return error.errors()[0]["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    return "a value" if value is None and key != "neftune_noise_alpha" else None


def is_whole(key: str) -> bool:
    """Whether the key takes whole numbers only."""
    return key in _WHOLE


def _check_values(key: str, values: Values) -> None:
    """Raise ValueError for a value that ``finetune`` refuses, or a range of what is no number."""
    if values.choices is not None:
        for choice in values.choices:
            if problem := value_problem(key, choice):
                raise ValueError(f"{problem} in {key}.choices, not {json.dumps(choice)}")
        return
    if key not in (*_WHOLE, *_REAL):
        raise ValueError(f"choices for {key}, which is no number")
    for name, bound in (("low", values.low), ("high", values.high), ("step", values.step)):
        assert bound is not None or name == "step"
        if bound is None:
            continue
        if key in _WHOLE and not float(bound).is_integer():
            raise ValueError(f"a whole number as {key}.{name}, not {bound:g}")
        number = int(bound) if key in _WHOLE else bound
        if name != "step" and (problem := value_problem(key, number)):
            raise ValueError(f"{problem} as {key}.{name}, not {bound:g}")


def _divides(step: float, width: float) -> bool:
    count = width / step
    return math.isfinite(count) and round(count) >= 1 and math.isclose(count, round(count), rel_tol=_TOLERANCE)


def _axis_fields(keys: Iterable[str]) -> dict[str, Any]:
    described = {key: Finetune.model_fields[key].description for key in keys}
    return {key: (Axis | None, Field(None, description=text)) for key, text in described.items()}


if TYPE_CHECKING:
    Search = _Search
else:
    # A field for each key, so that a misspelled one is named, and editors know them.
    Search = create_model("Search", __base__=_Search, __doc__=_Search.__doc__, **_axis_fields(SEARCHED))
