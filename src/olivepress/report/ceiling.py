"""The physical ceiling of this machine: how fast its memory can be read, and how fast it can multiply matrices.

Decode reads every weight for each token, so that bandwidth bounds it; prefill is bound by arithmetic (the roofline
model: S. Williams, A. Waterman, D. Patterson, CACM 52(4), 2009). Best of many passes, because a ceiling is a maximum.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np
import psutil
from numpy.typing import NDArray

from olivepress.report.device_report import Ceiling
from olivepress.report.machine import read_caches

__all__ = ["buffer_bytes", "flags", "measure_ceiling"]

MIB = 1024 * 1024
MIN_BUFFER = 256 * MIB
MATRIX = 1024
# Per way of reading; of multiplying. Twice as long gives the same: 39.8 GB/s and 125 GFLOP/s, medians of ten each.
READ_S, MATRIX_S = 0.25, 0.25
MIN_PASSES = 4
LOW = 0.02

Floats = NDArray[np.float64]
# Each reads every byte once and releases the GIL. Which is faster depends on the SIMD that BLAS and numpy were built
# for; numpy's sum is not among them, its pairwise addition is slower than memory.
READERS: dict[str, Callable[[Floats], object]] = {
    "dot product with itself": lambda part: np.dot(part, part),
    "maximum": lambda part: part.view(np.float32).max(),
}


def measure_ceiling(threads: int) -> Ceiling:
    """Read bandwidth (bytes/s) and float32 matrix rate (2 m n k / t, FLOP/s) with ``threads`` threads; about 1 s.

    Call it in a process whose environment limits BLAS to one thread (``child_environment(threads=1)``): the ``threads``
    threads are ours, and each calls BLAS for its own part.
    """
    size = buffer_bytes(read_caches().get("L3", 0), int(psutil.virtual_memory().available))
    buffer = np.ones(size // 8, dtype=np.float64)  # written: an untouched page is not memory but the one zero page
    parts = np.array_split(buffer, threads)
    rates = {
        name: buffer.nbytes / _best_seconds([partial(reader, part) for part in parts], READ_S)
        for name, reader in READERS.items()
    }
    way = max(rates, key=lambda name: rates[name])
    return Ceiling(
        threads=threads,
        read_bytes_per_s=rates[way],
        matrix_flops=_matrix_flops(threads),
        method=f"best pass of {threads} thread(s) reading {size // MIB} MiB of float64 ({way}), and of "
        f"{threads} thread(s) multiplying {MATRIX} x {MATRIX} float32 matrices each (BLAS of numpy {np.__version__})",
    )


def buffer_bytes(l3: int, available: int) -> int:
    """Four times the ``l3`` cache but at most a quarter of the ``available`` memory, and never under 256 MiB."""
    return max(MIN_BUFFER, min(4 * l3, available // 4))


def flags(roofline_fraction: float, model_bytes: int, caches: Mapping[str, int]) -> list[str]:
    """What makes one doubt a share of the memory bandwidth (1 = all of it) reached while reading ``model_bytes``."""
    percent = f"{100 * roofline_fraction:.3g} %"
    if roofline_fraction > 1:
        fits = model_bytes <= caches.get("L3", 0)
        reason = (
            "what a token reads fits in the L3 cache, so that the memory ceiling does not bind"
            if fits
            else "the ceiling, the bytes per token or the times must be wrong"
        )
        return [f"more than the measured memory bandwidth ({percent}): {reason}"]
    if roofline_fraction < LOW:
        return [f"absurdly low: {percent} of the measured memory bandwidth; the time goes elsewhere than into weights"]
    return []


def _matrix_flops(threads: int) -> float:
    shared = np.full((MATRIX, MATRIX), 1.0 / MATRIX, dtype=np.float32)
    pairs = [(np.ones_like(shared), np.ones_like(shared)) for _ in range(threads)]
    tasks = [partial(np.matmul, left, shared, out=product) for left, product in pairs]
    return threads * 2.0 * MATRIX**3 / _best_seconds(tasks, MATRIX_S)


def _best_seconds(tasks: Sequence[Callable[[], object]], budget_s: float) -> float:
    """Shortest time in which all ``tasks``, a thread each, were done; passes for ``budget_s``, at least four."""
    until, best, passes = time.perf_counter() + budget_s, float("inf"), 0
    while passes < MIN_PASSES or time.perf_counter() < until:
        best = min(best, _pass_seconds(tasks))
        passes += 1
    return best


def _pass_seconds(tasks: Sequence[Callable[[], object]]) -> float:
    """From the first start to the last end: starting the threads is not part of it."""
    barrier = threading.Barrier(len(tasks))
    spans = [(0.0, 0.0)] * len(tasks)

    def work(index: int) -> None:
        barrier.wait()
        begin = time.perf_counter()
        tasks[index]()
        spans[index] = (begin, time.perf_counter())

    workers = [threading.Thread(target=work, args=(index,)) for index in range(len(tasks))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return max(end for _, end in spans) - min(begin for begin, _ in spans)
