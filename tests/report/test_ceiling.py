"""The physical ceiling: sane on any machine these tests run on; what a share of it says is checked exactly."""

from __future__ import annotations

import pytest

from olivepress.core.child.run import run_task
from olivepress.core.privacy import child_environment
from olivepress.measure.worker import tasks
from olivepress.measure.worker.records import CeilingSpec
from olivepress.report.ceiling import buffer_bytes, flags, measure_ceiling

MIB = 1024 * 1024


def test_a_ceiling_is_sane() -> None:
    environment = child_environment(offline=True, threads=1)
    found = run_task(tasks.ceiling, CeilingSpec(threads=1), environment=environment, timeout_s=120).result
    assert found.threads == 1 and "MiB of float64" in found.method
    # No machine of the last twenty years is slower, none reads a terabyte a second with one thread.
    assert 0.5e9 < found.read_bytes_per_s < 1e12
    assert 0.2e9 < found.matrix_flops < 1e13


def test_more_threads_each_get_a_part() -> None:
    found = measure_ceiling(3)  # in this process, where BLAS may add threads: only the shape is looked at
    assert found.threads == 3 and found.read_bytes_per_s > 0.5e9 and "3 thread(s)" in found.method


@pytest.mark.parametrize(
    ("l3", "available", "expected"),
    [
        (0, 16_000 * MIB, 256 * MIB),
        (32 * MIB, 16_000 * MIB, 256 * MIB),
        (384 * MIB, 16_000 * MIB, 1536 * MIB),
        (384 * MIB, 4_000 * MIB, 1000 * MIB),
        (384 * MIB, 400 * MIB, 256 * MIB),
    ],
)
def test_the_buffer_is_larger_than_the_cache_and_fits(l3: int, available: int, expected: int) -> None:
    assert buffer_bytes(l3, available) == expected


def test_blas_gets_one_thread_for_each_of_ours() -> None:
    environment = child_environment(threads=1)
    assert environment["OPENBLAS_NUM_THREADS"] == environment["MKL_NUM_THREADS"] == "1"


@pytest.mark.parametrize(
    ("fraction", "size", "expected"),
    [
        (1.3, 20 * MIB, "fits in the L3 cache"),
        (1.3, 33 * MIB, "must be wrong"),
        (1.0, 33 * MIB, None),
        (0.02, 33 * MIB, None),
        (0.019, 33 * MIB, "absurdly low: 1.9 %"),
    ],
)
def test_what_makes_one_doubt(fraction: float, size: int, expected: str | None) -> None:
    found = flags(fraction, size, {"L3": 32 * MIB})
    assert found == [] if expected is None else len(found) == 1 and expected in found[0]


def test_an_unknown_cache_explains_nothing() -> None:
    assert "more than the measured memory bandwidth (130 %)" in flags(1.3, 1, {})[0]
    assert "must be wrong" in flags(1.3, 1, {})[0]
