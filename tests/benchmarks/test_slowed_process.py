"""The planted slowdown of benchmarks/latency_trust.py: steps take longer by the stated share, and only then."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import Any

from slowed_process import _Slowed


def model() -> Any:
    return SimpleNamespace(
        device="CPU", generation=lambda longest, shortest=0: SimpleNamespace(step=lambda: time.sleep(0.01))
    )


def test_steps_take_longer_by_the_share() -> None:
    slowed = _Slowed(model(), 1.0)
    step = slowed.generation(4).step
    start = time.perf_counter()
    step()
    assert time.perf_counter() - start >= 0.02 and slowed.device == "CPU"


def test_without_a_share_the_step_is_the_models_own() -> None:
    original = model()
    generation = SimpleNamespace(step=object())
    original.generation = lambda longest, shortest=0: generation
    assert _Slowed(original, 0.0).generation(4).step is generation.step
