"""The callbacks by which long work reports how far it is; what counts as done is named by the caller."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["JobProgress", "Progress", "StageProgress"]

Progress = Callable[[int, int], None]  # done, total
StageProgress = Callable[[str, int, int], None]  # stage, done, total
JobProgress = Callable[[str, str, int, int], None]  # job, stage, done, total
