"""The loss curve of a recipe's fine-tune, as comparisons take it."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from olivepress.core.jsonl import read_json_lines
from olivepress.core.layout import TRAINING, job_dir

if TYPE_CHECKING:
    from olivepress.compare.document import Step

__all__ = ["training_curve"]


def training_curve(recipe: str) -> dict[str, tuple[Step, ...]]:
    """Recipe → the steps that its finetune job left; empty where there are none."""
    from olivepress.compare.document import Step

    steps = []
    for entry in read_json_lines(job_dir(recipe, "finetune") / TRAINING):
        with contextlib.suppress(ValueError, KeyError, TypeError):
            steps.append(Step(step=int(entry["done"]), loss=float(entry["loss"])))
    return {recipe: tuple(steps)} if steps else {}
