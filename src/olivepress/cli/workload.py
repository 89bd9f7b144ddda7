"""A workload as it is typed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from olivepress.measure.latency.latency import Workload

__all__ = ["workload_of"]


def workload_of(text: str) -> Workload:
    """``128x128`` or ``datasetx32``. UsageError for anything else."""
    from olivepress.core.errors import UsageError
    from olivepress.measure.latency.latency import Workload

    prompt, _, generated = text.partition("x")
    try:
        return Workload(prompt_tokens=None if prompt == "dataset" else int(prompt), generated_tokens=int(generated))
    except ValueError:
        raise UsageError(f"--workload {text!r}: expected PxG as 128x128 or datasetx32, at least 1x2") from None
