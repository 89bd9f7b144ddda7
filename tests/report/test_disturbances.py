from __future__ import annotations

import pytest

from olivepress.report.device_report import ProcessSample
from olivepress.report.disturbances import disturbances, is_busy
from olivepress.report.machine import Conditions


def process(other_load: float | None, steal: float | None, throttled: int | None = 0) -> ProcessSample:
    return ProcessSample(
        workload="32x2",
        round=0,
        order=0,
        load_ms=1.0,
        peak_memory_bytes=1,
        harness_step_ns=1.0,
        conditions=Conditions(seconds=1.0, other_load=other_load, steal=steal, throttled=throttled),
    )


@pytest.mark.parametrize(
    ("other_load", "steal", "throttled", "busy", "sentences"),
    [
        (0.02, 0.0, 0, False, []),
        (0.52, 0.0, 0, True, ["other programs used 52 % of the cores during the measurement"]),
        (0.0, 0.2, 0, True, ["the hypervisor took 20 % of the cores during the measurement"]),
        (0.0, 0.0, 3, False, ["the processor throttled 3 times because of heat"]),
        (None, None, None, False, []),
    ],
)
def test_a_busy_machine(
    other_load: float | None, steal: float | None, throttled: int | None, busy: bool, sentences: list[str]
) -> None:
    processes = [process(other_load, steal, throttled)]
    assert is_busy(processes) is busy and disturbances(processes) == sentences
    assert not is_busy([]) and disturbances([]) == []
