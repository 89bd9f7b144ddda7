"""How fast this machine is, for estimates of time: measured once for each machine and kept in the project.

Without a measurement, and without PyTorch, NumPy's product of two matrices says how fast it is, and the rest is that of
the machine of the benchmarks.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
from pydantic import Field, ValidationError

from olivepress.core.child.run import run_task
from olivepress.core.errors import OlivepressError
from olivepress.core.hash_cache import load_cache, save_cache
from olivepress.core.layout import MACHINE_RATES
from olivepress.core.yaml_document import Record
from olivepress.report.machine import bfloat16_instructions, cpu_model, package_versions, usable_cores
from olivepress.workflow.rate_probe import BUSY, Measured, ProbeSpec, probe

__all__ = ["MachineRates", "is_measured", "machine_rates", "measure_machine"]

LIMIT_S = 30.0
# What was measured on a busy machine is soon measured again.
_BUSY_HOLDS_S, _HOLDS_S = 600.0, 90 * 86_400.0
_PRODUCT = 512  # rows and columns
_FORMAT = 2  # another number: everything is measured again
_MOST_KEPT = 20

# Of the machine of the benchmarks: one thread of an Epyc.
_START, _FILES = 1.05, 3.0e8
_FLOAT32_SHARE = 0.43  # of the rate of a large product that a model's own reach: 0.39 to 0.44 measured
_MODEL_SHARE = 0.6  # of the rate of the probe's bare layers that a model reaches in a Trainer: 0.58 and 0.60 measured
_BFLOAT16_SHARE = {True: 1.1, False: 0.25}  # with instructions for it, and without: 1.0 to 1.25 measured, 0.2


class MachineRates(Record):
    """Operations a second of a model's own products in PyTorch, by the width of its numbers, and of a prompt's in ONNX
    Runtime with weights of 4 and 8 bits; None where these were not measured.

    ``start`` and ``files`` say how many times as long as on the machine of the benchmarks it takes to start a process,
    and to read, write and hash files. ``measured_at`` is in seconds since 1970, None of a machine that was not
    measured; ``other_load`` is the share of the cores' time that other programs took then.
    """

    float32_flops: float = Field(gt=0)
    bfloat16_flops: float = Field(gt=0)
    int4_flops: float | None = Field(None, gt=0)
    int8_flops: float | None = Field(None, gt=0)
    start: float = Field(1.0, gt=0)
    files: float = Field(1.0, gt=0)
    measured_at: float | None = None
    other_load: float = 0.0

    @property
    def busy(self) -> bool:
        """Whether other programs took much of the machine when it was measured."""
        return self.other_load > BUSY


@cache
def machine_rates() -> MachineRates:
    """As they were measured, else by NumPy alone, in about 0.1 s."""
    return _kept(time.time()) or _by_numpy()


def is_measured(now: Callable[[], float] = time.time) -> bool:
    """Whether the machine was measured as it is: with this processor, these threads and versions, and not busy."""
    return _kept(now()) is not None


def measure_machine(now: Callable[[], float] = time.time) -> MachineRates:
    """Measure the machine in at most 30 s, and keep the result in ``runs/``; what was measured before is returned.

    Where PyTorch is not installed the rates are those of ``machine_rates``. Where the time is not enough they are kept
    as those of a busy machine.
    """
    if find_spec("torch") is not None and not is_measured(now):
        with contextlib.suppress(OSError):
            _keep(_measured(now()))
            machine_rates.cache_clear()
    return _kept(now()) or machine_rates()


def _measured(at: float) -> MachineRates:
    MACHINE_RATES.parent.mkdir(parents=True, exist_ok=True)
    spec = ProbeSpec(folder=str(MACHINE_RATES.parent.absolute()))
    try:
        measured = run_task(probe, spec, timeout_s=LIMIT_S).result
    except OlivepressError:
        return _by_numpy().model_copy(update={"measured_at": at, "other_load": 1.0})
    return _rates(measured, at)


def _rates(measured: Measured, at: float) -> MachineRates:
    # What others write at the same time says nothing about this disk.
    files = 1.0 if measured.other_load > BUSY else min(max(_FILES / measured.file_bytes_per_s, 0.3), 10.0)
    return MachineRates(
        float32_flops=_MODEL_SHARE * measured.float32_flops,
        bfloat16_flops=_MODEL_SHARE * measured.bfloat16_flops,
        int4_flops=measured.int4_flops,
        int8_flops=measured.int8_flops,
        start=measured.import_seconds / _START,
        files=files,
        measured_at=at,
        other_load=round(measured.other_load, 2),
    )


def _keep(rates: MachineRates) -> None:
    known = load_cache(MACHINE_RATES)
    kept = known if len(known) < _MOST_KEPT else {}
    save_cache(MACHINE_RATES, {**kept, _key(): rates.model_dump()})


def _kept(now: float) -> MachineRates | None:
    entry: Any = load_cache(MACHINE_RATES).get(_key())
    try:
        rates = MachineRates.model_validate(entry)
    except ValidationError:
        return None
    holds = _BUSY_HOLDS_S if rates.busy else _HOLDS_S
    return rates if rates.measured_at is not None and 0 <= now - rates.measured_at < holds else None


def _key() -> str:
    """What the rates depend on: another processor, more cores or threads, another PyTorch have rates of their own."""
    parts = [
        _FORMAT,
        platform.machine(),
        cpu_model(),
        usable_cores(),
        _quota(),
        os.environ.get("OMP_NUM_THREADS", ""),
        os.environ.get("MKL_NUM_THREADS", ""),
        int(psutil.virtual_memory().total) >> 30,
        platform.python_version(),
        package_versions(("numpy", "torch", "transformers", "olive-ai", "onnxruntime")),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def _quota() -> str:
    """The processor time that a container may take (cgroup v2), as the kernel writes it; "" without a limit."""
    try:
        return Path("/sys/fs/cgroup/cpu.max").read_text(encoding="ascii", errors="replace").strip()
    except OSError:
        return ""


def _by_numpy() -> MachineRates:
    """2 n³ operations for a product of two n x n matrices of float32: the best of many, each so short that it is done
    before another program gets the processor; about 0.1 s."""
    import numpy as np

    some = np.ones((_PRODUCT, _PRODUCT), dtype=np.float32)
    best = float("inf")
    for _ in range(60):
        began = time.perf_counter()
        some @ some
        best = min(best, time.perf_counter() - began)
    return rates_of(2.0 * _PRODUCT**3 / best, bfloat16_instructions())


def rates_of(flops: float, bfloat16: bool) -> MachineRates:
    """Of a machine with this rate of float32 products, and with or without instructions for bfloat16."""
    return MachineRates(float32_flops=_FLOAT32_SHARE * flops, bfloat16_flops=_BFLOAT16_SHARE[bfloat16] * flops)
