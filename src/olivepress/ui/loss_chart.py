"""The loss curve as a few SVG elements: drawn twice a second it must cost nothing, so vl-convert does not draw it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from olivepress.ui.progress import LossStep

__all__ = ["LossChart", "loss_chart"]

_WIDTH, _HEIGHT = 1000, 240
_MOST_POINTS = 400


@dataclass(frozen=True, kw_only=True)
class LossChart:
    """A polyline's ``points`` in a box of ``width`` x ``height``, and the texts at the ends of its axes."""

    points: str
    highest: str
    lowest: str
    first: int
    last: int
    width: int = _WIDTH
    height: int = _HEIGHT


def loss_chart(steps: Sequence[LossStep], total: int = 0) -> LossChart | None:
    """Loss over steps, up to ``total`` of them while it is not finished; None for fewer than two steps.

    Of thousands of steps each point is the mean of a few, so that the curve and not its noise is seen.
    """
    if len(steps) < 2:
        return None
    thinned = _thinned(steps)
    losses = [loss for _, loss in thinned]
    low, high = min(losses), max(losses)
    first, last = steps[0].step, max(total, steps[-1].step)
    span, height = max(last - first, 1), (high - low) or 1.0
    points = " ".join(
        f"{(step - first) / span * _WIDTH:.1f},{(high - loss) / height * _HEIGHT:.1f}" for step, loss in thinned
    )
    return LossChart(points=points, highest=f"{high:.3g}", lowest=f"{low:.3g}", first=first, last=last)


def _thinned(steps: Sequence[LossStep]) -> list[tuple[float, float]]:
    size = -(-len(steps) // _MOST_POINTS)
    groups = [steps[begin : begin + size] for begin in range(0, len(steps), size)]
    return [(sum(s.step for s in group) / len(group), sum(s.loss for s in group) / len(group)) for group in groups]
