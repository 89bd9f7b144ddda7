"""What the system counts while a process measures: other programs' load, stolen time, throttling, energy, GPU memory.

Every counter is read where it exists and is None, or a reason in words, where it does not: nothing is estimated.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from olivepress.report.machine import Conditions

__all__ = [
    "EnergyCounter",
    "Unavailable",
    "Watch",
    "accelerator_memory_bytes",
    "energy_difference_uj",
    "load_shares",
    "process_memory",
]

POWERCAP = Path("/sys/class/powercap")
CORES = Path("/sys/devices/system/cpu")
# Not idle, not waiting, not stolen. psutil counts guests inside user, and Windows' interrupts inside system.
BUSY = ("user", "nice", "system", "irq", "softirq")


class Watch:
    """Counts from its creation on. For the measuring process itself: its own CPU time is not other load."""

    def __init__(self, cores: Path = CORES) -> None:
        self._cores = cores
        self._throttled = throttle_count(cores)
        self._times = psutil.cpu_times()._asdict()
        self._own = time.process_time()
        self._began = time.perf_counter()

    def conditions(self) -> Conditions:
        """Seconds since the start, and shares (0 to 1) of all logical cores' time in them.

        Sources: psutil.cpu_times (Linux: /proc/stat, in ticks of 10 ms), ``time.process_time``, and the kernel's
        ``thermal_throttle/core_throttle_count``.
        """
        seconds = time.perf_counter() - self._began
        own = time.process_time() - self._own
        throttled = throttle_count(self._cores)
        other, steal = load_shares(
            self._times, psutil.cpu_times()._asdict(), own_s=own, core_s=seconds * (psutil.cpu_count() or 1)
        )
        return Conditions(
            seconds=seconds,
            other_load=other,
            steal=steal,
            throttled=None if throttled is None or self._throttled is None else throttled - self._throttled,
        )


def load_shares(
    before: Mapping[str, float], after: Mapping[str, float], *, own_s: float, core_s: float
) -> tuple[float, float | None]:
    """(other_load, steal) of ``core_s`` seconds of core time, 0 to 1, from two readings of the system's CPU seconds.

    other_load = (busy time of all cores - ``own_s``) / ``core_s``; steal is None where the system does not count it.
    """
    busy = sum(after[name] - before[name] for name in BUSY if name in after and name in before)
    stolen = after["steal"] - before["steal"] if "steal" in after and "steal" in before else None
    return _share(busy - own_s, core_s), None if stolen is None else _share(stolen, core_s)


def _share(part: float, whole: float) -> float:
    return min(max(part / whole, 0.0), 1.0) if whole > 0 else 0.0


def throttle_count(cores: Path = CORES) -> int | None:
    """Thermal throttling events of all cores since boot; None where the system does not count them."""
    counts = [_number(path) for path in cores.glob("cpu[0-9]*/thermal_throttle/core_throttle_count")]
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


@dataclass(frozen=True)
class Unavailable:
    """A counter that cannot be read, and the reason."""

    reason: str


@dataclass(frozen=True)
class EnergyCounter:
    """RAPL's package domains: (file of microjoules, value at which it wraps) each."""

    domains: tuple[tuple[Path, int], ...]

    @classmethod
    def find(cls, root: Path = POWERCAP) -> EnergyCounter | Unavailable:
        """The counter of this machine, or why it is unavailable.

        Source: Linux powercap, ``intel-rapl:*/{name,energy_uj,max_energy_range_uj}`` (AMD's processors as well).
        Only packages: cores and uncore lie inside them, psys holds the whole board, and all three may be missing.
        """
        packages = [zone for zone in sorted(root.glob("intel-rapl:*")) if _text(zone / "name").startswith("package")]
        if not packages:
            return Unavailable("no energy counter here (Linux RAPL)")
        domains = []
        for zone in packages:
            wrap = _number(zone / "max_energy_range_uj")
            if wrap is None or _number(zone / "energy_uj") is None:
                return Unavailable("the energy counter is not readable (since Linux 5.10 by root only)")
            domains.append((zone / "energy_uj", wrap))
        return cls(tuple(domains))

    def read(self) -> tuple[int, ...] | None:
        """Microjoules of each domain; None when one can no longer be read."""
        values = [_number(path) for path, _ in self.domains]
        known = tuple(value for value in values if value is not None)
        return known if len(known) == len(values) else None

    def joules_since(self, before: Sequence[int]) -> float | None:
        """Joules of all packages since ``before`` (an earlier ``read``), idle power and other programs included."""
        now = self.read()
        if now is None or len(before) != len(now):
            return None
        wraps = [wrap for _, wrap in self.domains]
        return sum(energy_difference_uj(*values) for values in zip(before, now, wraps, strict=True)) / 1e6


def energy_difference_uj(before: int, after: int, wrap: int) -> int:
    """Microjoules between two readings of a counter that starts again at ``wrap``.

    A second wrap cannot be seen; at 262 kJ, the usual range, one takes 44 minutes at 100 W.
    """
    return after - before if after >= before else after - before + wrap


def accelerator_memory_bytes() -> int | Unavailable:
    """Bytes of accelerator memory that this process uses now, or why they are unavailable.

    Source: nvidia-smi's compute processes. In a container the driver may list other process numbers, or none.
    """
    query = ["nvidia-smi", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, errors="replace", timeout=5, check=False)
    except (OSError, subprocess.SubprocessError) as error:
        name = type(error).__name__
        return Unavailable(f"nvidia-smi gives no answer ({name}); no other accelerator's memory is counted")
    if answer.returncode != 0:
        return Unavailable(f"nvidia-smi ended with exit code {answer.returncode}")
    status = _text(Path("/proc/self/status"))
    return process_memory(answer.stdout, process_numbers(status) | {os.getpid()})


def process_numbers(status: str) -> set[int]:
    """This process's number in each nested namespace (``NSpid`` of /proc/self/status; outer ones may be hidden)."""
    match = re.search(r"^NSpid:((?:[ \t]+\d+)+)", status, re.MULTILINE)
    return {int(number) for number in match[1].split()} if match else set()


def process_memory(smi: str, numbers: set[int]) -> int | Unavailable:
    """Bytes of the processes ``numbers`` in nvidia-smi's ``pid, MiB`` lines, summed over GPUs."""
    rows = [line.split(",") for line in smi.splitlines() if line.count(",") == 1]
    own = [used.strip() for number, used in rows if number.strip().isdecimal() and int(number) in numbers]
    if not own:
        return Unavailable("nvidia-smi does not list this process (it lists none of a container's)")
    if not all(used.isdecimal() for used in own):
        return Unavailable("nvidia-smi does not report the memory of a process here")
    return sum(int(used) for used in own) * 1024 * 1024


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""


def _number(path: Path) -> int | None:
    text = _text(path)
    return int(text) if text.isascii() and text.isdecimal() else None
