"""A random model written in a process of its own, so that its memory is its own."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from olivepress.core.progress import Progress
from olivepress.core.yaml_document import Record

__all__ = ["RandomModelSpec", "WrittenModel", "write_random_model"]

_PROGRESS_SECONDS = 1.0


class RandomModelSpec(Record):
    """``config`` is the content of a config.json."""

    config: dict[str, Any]
    directory: Path
    seed: int = 0
    dtype: str = "bfloat16"


class WrittenModel(Record):
    directory: Path


def write_random_model(spec: RandomModelSpec, progress: Progress) -> WrittenModel:
    """``make_random_model`` as a task of a child process; errors as it."""
    from olivepress.synthetic.model import make_random_model

    last = 0.0

    def on_progress(done: int, total: int) -> None:
        nonlocal last
        if time.monotonic() - last > _PROGRESS_SECONDS:
            last = time.monotonic()
            progress(done, total)

    make_random_model(spec.config, spec.directory, seed=spec.seed, dtype=spec.dtype, progress=on_progress)
    return WrittenModel(directory=spec.directory)
