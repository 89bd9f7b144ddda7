"""Rates of this machine: measured once, kept as long as the machine is the same, and never a reason to fail."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from olivepress.core.errors import JobError
from olivepress.core.layout import MACHINE_RATES
from olivepress.workflow import machine_rates as module
from olivepress.workflow.machine_rates import MachineRates, machine_rates, measure_machine, rates_of
from olivepress.workflow.rate_probe import Measured, ProbeSpec, probe

IDLE = Measured(
    float32_flops=1e11, bfloat16_flops=3e11, int4_flops=2e11, int8_flops=4e10, import_seconds=2.1,
    file_bytes_per_s=1.5e8, other_load=0.01,
)  # fmt: skip
NOW = 1.8e9


class Probe:
    """Stands for the child process: what it measures, and how often it was asked."""

    def __init__(self, measured: Measured | Exception = IDLE) -> None:
        self.measured, self.asked = measured, 0

    def __call__(self, task: Any, spec: ProbeSpec, **options: Any) -> Any:
        assert task is probe and options["timeout_s"] <= 30 and Path(spec.folder).is_dir()
        self.asked += 1
        if isinstance(self.measured, Exception):
            raise self.measured
        return SimpleNamespace(result=self.measured)


@pytest.fixture(autouse=True)
def unmeasured_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """In place of the fixture of all tests: nothing is measured yet, in an empty project."""
    monkeypatch.chdir(tmp_path)
    machine_rates.cache_clear()
    yield
    machine_rates.cache_clear()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Probe:
    child = Probe()
    monkeypatch.setattr(module, "run_task", child)
    return child


def test_measured_once_and_kept(asked: Probe) -> None:
    assert not MACHINE_RATES.exists() and not module.is_measured()
    rates = measure_machine(lambda: NOW)
    assert rates == MachineRates(
        float32_flops=0.6e11,
        bfloat16_flops=1.8e11,
        int4_flops=2e11,
        int8_flops=4e10,
        start=2.0,
        files=2.0,
        measured_at=NOW,
        other_load=0.01,
    )
    assert measure_machine(lambda: NOW + 80 * 86_400) == rates and asked.asked == 1
    measure_machine(lambda: NOW + 100 * 86_400)
    assert asked.asked == 2


@pytest.mark.parametrize("what", ["cpu_model", "usable_cores", "package_versions", "_quota"])
def test_another_machine_is_measured_anew(asked: Probe, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    measure_machine(lambda: NOW)
    monkeypatch.setattr(module, what, lambda *_: "another")
    assert not module.is_measured(lambda: NOW)
    measure_machine(lambda: NOW)
    assert len(json.loads(MACHINE_RATES.read_text())) == 2


def test_other_threads_are_another_machine(asked: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    measure_machine(lambda: NOW)
    monkeypatch.setenv("OMP_NUM_THREADS", "17")
    assert not module.is_measured(lambda: NOW)


def test_a_busy_machine_is_soon_measured_again(asked: Probe) -> None:
    asked.measured = IDLE.model_copy(update={"other_load": 0.6})
    rates = measure_machine(lambda: NOW)
    assert rates.busy and rates.files == 1.0  # what others write at the same time says nothing of the disk
    assert module.is_measured(lambda: NOW + 500) and not module.is_measured(lambda: NOW + 700)


def test_a_probe_that_takes_too_long_is_not_tried_at_every_plan(asked: Probe) -> None:
    asked.measured = JobError("the probe process ran past its limit of 30 s")
    rates = measure_machine(lambda: NOW)
    assert rates.busy and rates.float32_flops > 0 and measure_machine(lambda: NOW + 60) == rates
    assert asked.asked == 1


def test_without_pytorch_numpy_says_it(asked: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    rates = measure_machine(lambda: NOW)
    assert asked.asked == 0 and rates.measured_at is None and rates.float32_flops > 1e8
    assert not MACHINE_RATES.exists()


@pytest.mark.parametrize("text", ["", "[1]", "{}", '{"a": 1}'])
def test_a_damaged_file_costs_time_and_nothing_else(asked: Probe, text: str) -> None:
    measure_machine(lambda: NOW)
    (key,) = json.loads(MACHINE_RATES.read_text())
    for content in (text, json.dumps({key: {"float32_flops": -1}})):
        MACHINE_RATES.write_text(content)
        assert not module.is_measured(lambda: NOW)


def test_rates_of_the_machine_of_the_benchmarks() -> None:
    assert rates_of(1.22e11, bfloat16=True) == MachineRates(float32_flops=0.43 * 1.22e11, bfloat16_flops=1.1 * 1.22e11)
    assert rates_of(1e11, bfloat16=False).bfloat16_flops == 0.25e11


def test_the_probe_measures_with_pytorch(tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="the build extra is not installed")
    reached: list[tuple[int, int]] = []
    measured = probe(ProbeSpec(folder=str(tmp_path), seconds=0.0), lambda *step: reached.append(step))
    assert 1e8 < measured.float32_flops < 1e15 and 1e7 < measured.bfloat16_flops < 1e16
    assert measured.int4_flops is not None and 1e8 < measured.int4_flops < 1e15
    assert measured.int8_flops is not None and 1e8 < measured.int8_flops < 1e15
    assert measured.file_bytes_per_s > 1e5 and 0 <= measured.other_load <= 1
    assert list(tmp_path.iterdir()) == [] and reached == [(1, 5), (2, 5), (3, 5), (4, 5)]
