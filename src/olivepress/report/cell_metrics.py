"""Raw samples of one workload → its metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from olivepress.report.device_report import LatencySample, Measurement, ProcessSample, measured, not_measured
from olivepress.stats.intervals import bootstrap_median

__all__ = ["cell_metrics"]


def cell_metrics(
    samples: Sequence[LatencySample],
    processes: Sequence[ProcessSample],
    *,
    prompt_tokens: int,
    reasons: Mapping[str, str | None],
) -> dict[str, Measurement]:
    """The metrics of one cell from its raw samples; medians over all repetitions of all rounds.

    prefill_tps = prompt tokens / TTFT; decode_tps = steps / sum of step times, per repetition; the ITL percentiles are
    over the steps of all repetitions together (``numpy.quantile``, linear). Intervals resample whole rounds, because
    the repetitions of one process are not independent. ``reasons``: counter → why it has no value.
    """
    rounds = [s.round for s in samples]
    steps = [ms for s in samples for ms in s.step_ms]
    tokens = len(steps) + len(samples)

    def median(name: str, values: list[float]) -> Measurement:
        return measured(name, float(np.median(values)), n=len(values), interval=bootstrap_median(values, rounds))

    def percentile(name: str, q: float) -> Measurement:
        return measured(name, float(np.quantile(steps, q)), n=len(steps))

    def per_process(name: str, values: list[float]) -> Measurement:
        return measured(name, float(np.median(values)), n=len(values), interval=bootstrap_median(values))

    def largest(name: str, values: list[int | None]) -> Measurement:
        counted = [value for value in values if value is not None]
        if not counted:
            return not_measured(name, reasons.get(name) or "no counter")
        return measured(name, float(max(counted)), n=len(counted))

    return {
        "load_ms": per_process("load_ms", [p.load_ms for p in processes]),
        "ttft_ms": median("ttft_ms", [s.ttft_ms for s in samples]),
        "request_ttft_ms": median("request_ttft_ms", [s.request_ttft_ms for s in samples]),
        "e2e_ms": median("e2e_ms", [s.request_ttft_ms + sum(s.step_ms) for s in samples]),
        "prefill_tps": median("prefill_tps", [prompt_tokens / (s.ttft_ms / 1e3) for s in samples]),
        "decode_tps": median("decode_tps", [s.decode_tps for s in samples]),
        "itl_p50_ms": measured("itl_p50_ms", float(np.median(steps)), n=len(steps), interval=_itl_interval(samples)),
        "itl_p90_ms": percentile("itl_p90_ms", 0.9),
        "itl_p95_ms": percentile("itl_p95_ms", 0.95),
        "itl_p99_ms": percentile("itl_p99_ms", 0.99),
        "peak_memory_bytes": largest("peak_memory_bytes", [p.peak_memory_bytes for p in processes]),
        "peak_accelerator_memory_bytes": largest(
            "peak_accelerator_memory_bytes", [p.peak_accelerator_memory_bytes for p in processes]
        ),
        "energy_j_per_token": _energy(processes, tokens / len(processes), reasons),
        "harness_overhead": per_process(
            "harness_overhead", [p.harness_step_ns / 1e6 / float(np.median(steps)) for p in processes]
        ),
    }


def _itl_interval(samples: Sequence[LatencySample]) -> tuple[float, float] | None:
    """Of the median step, whole rounds resampled, each with all its steps."""
    by_round: dict[int, list[float]] = {}
    for sample in samples:
        by_round.setdefault(sample.round, []).extend(sample.step_ms)
    values = [ms for steps in by_round.values() for ms in steps]
    return bootstrap_median(values, [number for number, steps in by_round.items() for _ in steps], resamples=500)


def _energy(processes: Sequence[ProcessSample], tokens_each: float, reasons: Mapping[str, str | None]) -> Measurement:
    """Joules over generated tokens (first ones included), of the processes whose counter could be read."""
    joules = [process.energy_j for process in processes if process.energy_j is not None]
    if not joules:
        return not_measured("energy_j_per_token", reasons.get("energy_j_per_token") or "no counter")
    return measured("energy_j_per_token", sum(joules) / (tokens_each * len(joules)), n=len(joules))
