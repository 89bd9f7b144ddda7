"""The physical ceiling: sane on any machine these tests run on; what a share of it says is checked exactly."""

from __future__ import annotations

import pytest

from olivepress.measure.worker.host import run_child
from olivepress.report.ceiling import buffer_bytes, ceiling_environment, flags, measure_ceiling
from olivepress.report.device_report import Ceiling

MIB = 1024 * 1024


def test_a_ceiling_is_sane() -> None:
    answer = run_child("ceiling", {"threads": 1}, timeout_s=120)
    found = Ceiling.model_validate({name: answer[name] for name in Ceiling.model_fields})
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
    assert set(ceiling_environment(8).values()) == {"1"} and "OPENBLAS_NUM_THREADS" in ceiling_environment(1)


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
