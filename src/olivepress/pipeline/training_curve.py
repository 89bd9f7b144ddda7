"""The loss curve of a recipe's fine-tune, as comparisons take it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from olivepress.core.layout import TRAINING, job_dir
from olivepress.report.training_record import read_training

if TYPE_CHECKING:
    from olivepress.compare.document import Step

__all__ = ["training_curve"]


def training_curve(recipe: str) -> dict[str, tuple[Step, ...]]:
    """Recipe → the steps that its finetune job left; empty where there are none."""
    from olivepress.compare.document import Step

    read = read_training(job_dir(recipe, "finetune") / TRAINING)
    steps = [Step(step=each.step, loss=each.loss) for each in read if each.loss is not None]
    return {recipe: tuple(steps)} if steps else {}
