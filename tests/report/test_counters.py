"""Counters around a measurement, from files and texts as systems write them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from olivepress.report.counters import (
    EnergyCounter,
    Unavailable,
    Watch,
    accelerator_memory_bytes,
    energy_difference_uj,
    load_shares,
    process_memory,
    process_numbers,
    throttle_count,
)

MIB = 1024 * 1024


def times(**seconds: float) -> dict[str, float]:
    return {"user": 0.0, "system": 0.0, "idle": 0.0} | seconds


@pytest.mark.parametrize(
    ("after", "own_s", "expected"),
    [
        (times(user=5, system=1, idle=14), 4.0, (0.1, None)),  # 6 busy of 20, 4 of them ours
        (times(user=4, idle=16), 4.0, (0.0, None)),
        (times(user=4, idle=16), 4.1, (0.0, None)),  # ticks are coarser than our own clock
        (times(user=99), 0.0, (1.0, None)),
        (times(user=4, iowait=9, idle=5, steal=2), 4.0, (0.0, 0.1)),
        (times(user=2, nice=1, irq=1, softirq=2, guest=2, steal=0), 0.0, (0.3, 0.0)),  # a guest is inside user
    ],
)
def test_other_load_is_what_is_busy_beside_us(
    after: dict[str, float], own_s: float, expected: tuple[float, float | None]
) -> None:
    other, steal = load_shares(dict.fromkeys(after, 0.0), after, own_s=own_s, core_s=20.0)
    assert (pytest.approx(other), steal) == expected


def test_no_time_is_no_load() -> None:
    assert load_shares(times(), times(), own_s=0.0, core_s=0.0) == (0.0, None)


def test_throttling_is_summed_over_cores(tmp_path: Path) -> None:
    assert throttle_count(tmp_path) is None
    for number, count in enumerate((3, 4)):
        folder = tmp_path / f"cpu{number}" / "thermal_throttle"
        folder.mkdir(parents=True)
        (folder / "core_throttle_count").write_text(f"{count}\n")
    (tmp_path / "cpufreq").mkdir()
    assert throttle_count(tmp_path) == 7
    watch = Watch(tmp_path)
    (tmp_path / "cpu1" / "thermal_throttle" / "core_throttle_count").write_text("6\n")
    assert watch.conditions().throttled == 2


def test_a_watch_tells_shares_and_not_our_own_work(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    sum(range(3_000_000))
    found = watch.conditions()
    assert found.seconds > 0 and found.other_load is not None and 0 <= found.other_load <= 1
    assert found.throttled is None and (found.steal is None or 0 <= found.steal <= 1)


def test_a_watch_sees_another_program(tmp_path: Path) -> None:
    watch = Watch(tmp_path)
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"], check=True)
    found = watch.conditions()
    # Half a second of another process's work, whatever else runs here (ticks of 10 ms may hide a little of it).
    import psutil

    assert found.other_load is not None
    assert found.other_load * found.seconds * psutil.cpu_count() > 0.4


def zone(root: Path, name: str, title: str, energy: str | None, wrap: str | None = "262143328850") -> None:
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(f"{title}\n")
    for file, text in (("energy_uj", energy), ("max_energy_range_uj", wrap)):
        if text is not None:
            (folder / file).write_text(f"{text}\n")


def test_energy_is_of_all_packages_and_of_nothing_inside_or_around_them(tmp_path: Path) -> None:
    zone(tmp_path, "intel-rapl:0", "package-0", "1000000")
    zone(tmp_path, "intel-rapl:1", "package-1", "262143000000")
    zone(tmp_path, "intel-rapl:2", "psys", "5")
    zone(tmp_path, "intel-rapl:0:0", "core", "7")
    counter = EnergyCounter.find(tmp_path)
    assert isinstance(counter, EnergyCounter)
    before = counter.read()
    assert before == (1000000, 262143000000)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("3500000\n")
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("171150\n")  # it started again
    assert counter.joules_since(before) == pytest.approx(2.5 + 0.5)
    (tmp_path / "intel-rapl:1" / "energy_uj").unlink()
    assert counter.read() is None and counter.joules_since(before) is None


def test_no_energy_counter_has_a_reason(tmp_path: Path) -> None:
    assert EnergyCounter.find(tmp_path) == Unavailable("no energy counter here (Linux RAPL)")
    zone(tmp_path, "intel-rapl:0", "package-0", None)
    assert "not readable" in str(EnergyCounter.find(tmp_path))


@pytest.mark.parametrize(
    ("before", "after", "expected"), [(0, 0, 0), (5, 9, 4), (95, 5, 10), (100, 0, 0), (0, 100, 100)]
)
def test_a_counter_that_wraps_at_100(before: int, after: int, expected: int) -> None:
    assert energy_difference_uj(before, after, 100) == expected


@pytest.mark.parametrize(
    ("smi", "expected"),
    [
        ("4242, 512\n17, 100\n", 512 * MIB),
        ("4242, 512\n4242, 8\n", 520 * MIB),  # on two GPUs
        ("7, 3\n", 3 * MIB),
        ("", "does not list"),
        ("17, 100\n", "does not list"),
        ("4242, [N/A]\n", "does not report"),
        ("No running processes found\n", "does not list"),
    ],
)
def test_memory_of_this_process_on_the_gpu(smi: str, expected: int | str) -> None:
    found = process_memory(smi, {4242, 7})
    assert found == expected if isinstance(expected, int) else expected in str(found)


def test_numbers_of_a_process_in_nested_namespaces() -> None:
    assert process_numbers("Name:\tpython\nNSpid:\t4242\t7\nNSpgid:\t1\n") == {4242, 7}
    assert process_numbers("Name:\tpython\n") == set()


def test_without_a_driver_there_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "nvidia-smi gives no answer" in str(accelerator_memory_bytes())
    script = tmp_path / "nvidia-smi"
    script.write_text("#!/bin/sh\nexit 9\n")
    script.chmod(0o755)
    assert accelerator_memory_bytes() == Unavailable("nvidia-smi ended with exit code 9")
