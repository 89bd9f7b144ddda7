"""Every formula against a calculation by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from olivepress.core.process import peak_memory_bytes
from olivepress.measure.quality.accuracy import MARGIN_TOKENS, answer_budget
from olivepress.measure.quality.fidelity import divergence, first_divergence, kl_top, log_softmax, shift_sums
from olivepress.measure.quality.reference import top_logprobs
from olivepress.report.cell_metrics import LATENCY_METRICS, cell_metrics
from olivepress.report.device_report import LatencySample, ProcessSample
from olivepress.report.machine import Conditions, machine_slug
from olivepress.report.registry import declare
from olivepress.stats.intervals import bootstrap_median, cluster_mean, paired_difference, wilson


def test_wilson_by_hand() -> None:
    # 15 of 20, z = 1.96: centre (0.75 + 3.8415/40)/(1 + 3.8415/20) = 0.70972, half width 0.17857
    low, high = wilson(15, 20)
    assert low == pytest.approx(0.53130, abs=2e-5)
    assert high == pytest.approx(0.88814, abs=2e-5)
    assert wilson(0, 10)[0] == 0.0 and wilson(0, 10)[1] == pytest.approx(0.27753, abs=2e-5)
    assert wilson(10, 10)[1] == 1.0
    with pytest.raises(ValueError):
        wilson(0, 0)


def test_bootstraps_are_seeded_and_honest() -> None:
    values = [10.0, 11.0, 12.0, 13.0, 50.0]
    assert bootstrap_median(values) == bootstrap_median(values)
    low, high = bootstrap_median(values) or (0, 0)
    assert 10.0 <= low <= 12.0 <= high <= 50.0
    assert bootstrap_median([1.0, 2.0]) is None
    assert bootstrap_median([3.0] * 5) == (3.0, 3.0)
    # One prompt of 1000 tokens and two of 10: the ratio estimator weighs by tokens, and resampling prompts shows it.
    low, high = cluster_mean([1000.0, 0.0, 0.0], [1000, 10, 10]) or (0, 0)
    assert low == 0.0 and high == 1.0


def process(number: int, load_ms: float, **changes: Any) -> ProcessSample:
    conditions = Conditions(seconds=1.0, other_load=0.0, steal=0.0, throttled=None)
    fields = {"peak_memory_bytes": 123, "harness_step_ns": 50.0, "conditions": conditions}
    return ProcessSample(workload="100x5", round=number, order=number, load_ms=load_ms, **(fields | changes))


def test_latency_metrics_by_hand() -> None:
    samples = [
        LatencySample(
            workload="100x5", round=i, repetition=0, ttft_ms=t, request_ttft_ms=t + 1, step_ms=(s, s, s, 2 * s)
        )
        for i, (t, s) in enumerate([(50.0, 10.0), (40.0, 8.0), (100.0, 20.0)])
    ]
    processes = [process(0, 7.0, energy_j=1.5), process(1, 9.0, energy_j=3.0, peak_memory_bytes=125), process(2, 8.0)]
    reasons = {"peak_accelerator_memory_bytes": "the model runs on the CPU"}
    found = cell_metrics(samples, processes, prompt_tokens=100, reasons=reasons)
    assert set(found) == set(LATENCY_METRICS)
    assert found["ttft_ms"].value == 50.0
    assert found["request_ttft_ms"].value == 51.0
    assert found["e2e_ms"].value == 101.0  # 51 + 10 + 10 + 10 + 20
    assert found["prefill_tps"].value == pytest.approx(2000.0)  # 100 tokens / 0.050 s
    assert found["decode_tps"].value == pytest.approx(80.0)  # 4 tokens / 0.050 s
    steps = sorted([10, 10, 10, 20, 8, 8, 8, 16, 20, 20, 20, 40])
    assert found["itl_p50_ms"].value == pytest.approx((steps[5] + steps[6]) / 2)
    assert found["itl_p90_ms"].value == pytest.approx(steps[9] + 0.9 * (steps[10] - steps[9]))
    assert found["itl_p95_ms"].value == pytest.approx(steps[10] + 0.45 * (steps[11] - steps[10]))
    assert found["itl_p99_ms"].n == 12
    assert found["peak_memory_bytes"].value == 125 and found["load_ms"].value == 8.0
    assert found["harness_overhead"].value == pytest.approx(50e-6 / 13)  # 50 ns of a median step of 13 ms
    assert found["energy_j_per_token"].value == pytest.approx(4.5 / 10)  # two processes of one repetition, 5 tokens
    assert found["peak_accelerator_memory_bytes"].reason == "the model runs on the CPU"


def test_an_interval_resamples_rounds_not_repetitions() -> None:
    # Three rounds, ten equal repetitions each: ungrouped it would look as if there were thirty observations.
    values, rounds = [1.0] * 10 + [2.0] * 10 + [3.0] * 10, [0] * 10 + [1] * 10 + [2] * 10
    assert bootstrap_median(values, rounds) == (1.0, 3.0)
    assert bootstrap_median(values[:20], rounds[:20]) is None


def test_kl_by_hand() -> None:
    p, q = np.array([[0.5, 0.25, 0.25]]), np.array([[0.25, 0.5, 0.25]])
    by_hand = 0.5 * math.log(2) + 0.25 * math.log(0.5)
    assert divergence(np.log(p), np.log(q))[0] == pytest.approx(by_hand)
    assert divergence(np.log(p), np.log(p))[0] == 0.0
    assert log_softmax(np.log(p) + 1000)[0] == pytest.approx(np.log(p[0]))
    # top 1 and one bucket for the rest: 0.5 ln(0.5/0.25) + 0.5 ln(0.5/0.75)
    top = kl_top(np.log(q), np.array([[0]]), np.log(p[:, :1]), np.array([0.5]))[0]
    assert top == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(0.5 / 0.75))
    assert top <= by_hand


def test_top_k_bounds_the_full_divergence_from_below() -> None:
    rng = np.random.default_rng(1)
    parent, model = rng.normal(0, 3, (40, 1000)), rng.normal(0, 3, (40, 1000))
    ids, logprobs, tail = top_logprobs(parent.astype(np.float32), rows=7)
    assert ids.shape == (40, 256) and (ids[:, 0] == parent.argmax(axis=1)).all()
    assert (np.diff(logprobs, axis=1) <= 0).all()
    assert np.exp(logprobs).sum(axis=1) + tail == pytest.approx(np.ones(40), abs=1e-5)
    logq = log_softmax(model)
    full = divergence(log_softmax(parent), logq)
    part = kl_top(logq, ids, logprobs.astype(np.float64), tail.astype(np.float64))
    assert (part <= full + 1e-6).all() and part.mean() > 0.8 * full.mean()


def test_the_budget_of_an_answer() -> None:
    assert answer_budget([3, 12, 5]) == 12 + MARGIN_TOKENS


def test_first_divergence_by_hand() -> None:
    assert first_divergence(np.array([True, True, False, True])) == 2
    assert first_divergence(np.array([False])) == 0
    assert first_divergence(np.array([True, True])) == 2  # never: all its tokens


def test_machine() -> None:
    slug = machine_slug("x86_64", "Intel(R) Xeon(R) Processor @ 2.30GHz", 2)
    assert slug == "x86_64-intel-xeon-2c"
    assert machine_slug("AMD64", "AMD Ryzen 9 7950X 16-Core Processor", 32) == "amd64-amd-ryzen-9-32c"
    assert machine_slug("../x", "../../etc", 1) == "x-etc-1c"
    assert peak_memory_bytes() > 10_000_000


def test_a_metric_has_one_meaning() -> None:
    with pytest.raises(ValueError, match="declared twice"):
        declare("ttft_ms", "ms", "higher", "TTFT", "Another meaning.")


@pytest.mark.parametrize(
    ("counts", "interval"),  # (both, only first, only second, neither); published for first - second
    [
        ((36, 12, 2, 0), (0.0569, 0.3404)),
        ((36, 14, 0, 0), (0.1528, 0.4167)),
        ((2, 97, 1, 0), (0.8721, 0.9854)),
        ((0, 30, 0, 0), (0.8395, 1.0)),
        ((54, 0, 0, 0), (-0.0664, 0.0664)),
    ],
)
def test_paired_difference_is_newcombes(counts: tuple[int, ...], interval: tuple[float, float]) -> None:
    """Newcombe 1998 (Statist. Med. 17, 2635-2650), table II, method 10."""
    both, first, second, neither = counts
    assert paired_difference(both, second, first, neither) == pytest.approx(interval, abs=5e-5)


def test_what_is_kept_of_an_adapter_by_hand() -> None:
    rng = np.random.default_rng(0)
    base, shift, noise = rng.normal(size=(50, 400)), rng.normal(size=(50, 400)), rng.normal(size=(50, 400))
    parent = base + shift

    def kept(ours: np.ndarray, *, given: tuple[np.ndarray, np.ndarray] = (base, parent)) -> float:
        along, all_of_it, _ = shift_sums(*given, ours)
        return float(along / all_of_it)

    assert kept(parent) == pytest.approx(1.0) and kept(base) == 0.0 and kept(base + 0.3 * shift) == pytest.approx(0.3)
    # Two entries in one row, by hand: shift (1, -1), found (3, -3) + a constant; 6 / 2 and what is left, 2² + 2².
    assert shift_sums(np.zeros((1, 2)), np.asarray([[1.0, -1.0]]), np.asarray([[8.0, 2.0]])).tolist() == [6.0, 2.0, 8.0]
    # Logits are known up to a constant in each row, and so log-probabilities give the same.
    assert kept(parent + 5 * np.arange(50.0)[:, None]) == pytest.approx(1.0)
    in_logs = log_softmax(base), log_softmax(parent)
    ours = base + 0.3 * shift + noise
    assert kept(log_softmax(ours), given=in_logs) == pytest.approx(kept(ours))
    # Noise as large as the shift and of its own direction: √(50 × 400) of them, so about 1 / 141 is left of it.
    assert kept(parent + noise) == pytest.approx(1.0, abs=0.03) and kept(base + noise) == pytest.approx(0.0, abs=0.03)
    _, size, rest = shift_sums(base, parent, parent + noise)
    assert math.sqrt(rest / size) == pytest.approx(1.0, abs=0.03)
    # Uncentred log-probabilities would see log Z: with this noise on a peaked row it says another number.
    peaked = 8 * base
    raw = [log_softmax(x) for x in (peaked, peaked + shift, peaked + shift + 4 * noise)]
    d, e = raw[1] - raw[0], raw[2] - raw[0]
    centred = kept(raw[2], given=(raw[0], raw[1]))
    assert abs(centred - 1.0) < abs(float((e * d).sum() / (d**2).sum()) - 1.0)
