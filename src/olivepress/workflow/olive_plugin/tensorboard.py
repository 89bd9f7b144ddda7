"""Where TensorBoard's files go with transformers 5, which has no ``logging_dir`` among its training arguments."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from transformers.integrations.integration_utils import TensorBoardCallback

__all__ = ["BesideCheckpoints", "tensorboard_beside"]


def tensorboard_beside(training_dir: str) -> Path:
    """``runs/RECIPE/.training/NAME`` → the recipe's own directory for them, ``core.layout.tensorboard_dir``."""
    return Path(training_dir).parents[1] / "logs" / "tensorboard"


class BesideCheckpoints(TensorBoardCallback):
    """Writes where ``logging_dir`` sends them in earlier releases; TENSORBOARD_LOGGING_DIR still goes before it."""

    logging_dir: Any

    def on_train_begin(self, args: Any, state: Any, control: Any, **more: Any) -> None:
        if self.logging_dir is None:
            self.logging_dir = str(tensorboard_beside(args.output_dir))
        super().on_train_begin(args, state, control, **more)
