"""The curves of a training in a few numbers: where they start and end, how far they rise again. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from olivepress.report.training_record import TrainingStep

__all__ = ["Curve", "Rise", "curve_of"]

_LEAST_STEPS = 3  # of a tenth, for its median to say more than the rows of a batch do
_BLOCKS = 10  # a training is looked at in tenths: batches of like lengths make single steps noisy


@dataclass(frozen=True, kw_only=True)
class Rise:
    """The largest rise of a curve: from its lowest value before ``to_step`` to the value there."""

    from_step: int
    to_step: int
    low: float
    high: float

    @property
    def size(self) -> float:
        return self.high - self.low


@dataclass(frozen=True, kw_only=True)
class Curve:
    """The losses of a training, in nats a token.

    ``blocks`` are (last step, median training loss) of each tenth, of each step where there are fewer; ``validation``
    (step, loss). ``start`` is the training loss before anything was learned, that of the first step.
    """

    start: float
    blocks: tuple[tuple[int, float], ...]
    validation: tuple[tuple[int, float], ...]
    steps: int
    highest_rate: float | None
    gradients: tuple[float, ...]

    @property
    def has_validation(self) -> bool:
        return bool(self.validation)

    @property
    def fixed_rows(self) -> tuple[tuple[int, float], ...]:
        """Of the validation rows, which are the same at every evaluation; of the batches where there are none."""
        return self.validation or self.blocks

    @property
    def end(self) -> float:
        return self.fixed_rows[-1][1]

    @property
    def trained_to(self) -> float:
        """The training loss at the end."""
        return self.blocks[-1][1]

    @property
    def lowest(self) -> tuple[int, float]:
        """(step, loss)"""
        return min(self.fixed_rows, key=lambda each: each[1])

    @property
    def learned(self) -> float:
        """From the start to the lowest loss; 0 where there is none below it."""
        return max(0.0, self.start - self.lowest[1])

    @property
    def largest_rise(self) -> Rise:
        """Of the validation rows or of the batches, where a tenth has enough of them."""
        series = (self.validation, self.blocks if self.steps >= _LEAST_STEPS * _BLOCKS else ())
        return max((_rise(((0, self.start), *points)) for points in series), key=lambda each: each.size)

    def trained_at(self, step: int) -> float:
        """The training loss about ``step``."""
        return next((loss for last, loss in self.blocks if last >= step), self.trained_to)

    def half_way(self) -> float:
        """The loss at the half of the run."""
        half = self.fixed_rows[-1][0] / 2
        return min(self.fixed_rows, key=lambda each: abs(each[0] - half))[1]


def _rise(points: Sequence[tuple[int, float]]) -> Rise:
    low = points[0]
    largest = Rise(from_step=low[0], to_step=low[0], low=low[1], high=low[1])
    for step, value in points:
        if value - low[1] > largest.size:
            largest = Rise(from_step=low[0], to_step=step, low=low[1], high=value)
        if value < low[1]:
            low = (step, value)
    return largest


def curve_of(steps: Sequence[TrainingStep]) -> Curve | None:
    """None for a record without a single training loss."""
    losses = [(each.step, each.loss) for each in steps if each.loss is not None]
    if not losses:
        return None
    count = min(_BLOCKS, len(losses))
    parts = [losses[number * len(losses) // count : (number + 1) * len(losses) // count] for number in range(count)]
    return Curve(
        start=losses[0][1],
        blocks=tuple((part[-1][0], median(loss for _, loss in part)) for part in parts),
        validation=tuple((each.step, each.validation_loss) for each in steps if each.validation_loss is not None),
        steps=losses[-1][0],
        highest_rate=max((each.learning_rate for each in steps if each.learning_rate is not None), default=None),
        gradients=tuple(each.grad_norm for each in steps if each.grad_norm is not None),
    )
