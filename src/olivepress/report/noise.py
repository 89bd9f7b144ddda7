"""How far a latency can be trusted: noise floor, drift, and whether two artifacts really differ.

All of it works on one number per round (the median over the repetitions of that round's process): repetitions inside
one process share its memory layout and its moment, so that only processes are independent observations.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from olivepress.report.device_report import LatencySample, Measurement, measured, not_measured

__all__ = [
    "CONFIDENCE",
    "Difference",
    "by_round",
    "compare_rounds",
    "decode_by_round",
    "drift",
    "noise_floor",
    "signed_rank_cut",
]

CONFIDENCE = 0.99  # of the interval by which a difference is called: a false one costs more than "cannot tell"
MIN_ROUNDS = 6
MAX_SPLITS = 1000
DRIFT_P = 0.01

Verdict = Literal["faster", "slower", "cannot tell"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """``ratio`` is b / a - 1 with its interval; ``floor`` the noise floor that it had to exceed."""

    ratio: float
    ci_low: float
    ci_high: float
    floor: float
    rounds: int
    verdict: Verdict


def decode_by_round(samples: Sequence[LatencySample], workload: str) -> dict[int, float]:
    """Round → median decode rate (tokens/s) over its repetitions, of one workload."""
    return by_round([s for s in samples if s.workload == workload and s.step_ms], lambda sample: sample.decode_tps)


def by_round(samples: Iterable[LatencySample], value: Callable[[LatencySample], float]) -> dict[int, float]:
    """Round → median of ``value`` over its repetitions, in the order of the rounds."""
    values_by_round: dict[int, list[float]] = {}
    for sample in samples:
        values_by_round.setdefault(sample.round, []).append(value(sample))
    return {number: float(np.median(values)) for number, values in sorted(values_by_round.items())}


def noise_floor(values: Sequence[float]) -> Measurement:
    """A/A: how far two halves of the same artifact's rounds differ, as a ratio; 95th percentile over all splits.

    |median(half) / median(other half) - 1| over every way (at most 1000, seeded) to split the rounds into two equal
    halves. Null below 6 rounds.
    """
    n = len(values)
    if n < MIN_ROUNDS:
        return not_measured("noise_floor", f"{n} rounds; it takes {MIN_ROUNDS} to split them in halves")
    data = np.asarray(values, dtype=np.float64)
    if math.comb(n, n // 2) <= MAX_SPLITS:
        halves = [list(half) for half in itertools.combinations(range(n), n // 2)]
    else:
        rng = np.random.default_rng(0)
        halves = [rng.permutation(n)[: n // 2].tolist() for _ in range(MAX_SPLITS)]
    differences = []
    for half in halves:
        mask = np.zeros(n, dtype=bool)
        mask[half] = True
        differences.append(abs(float(np.median(data[mask]) / np.median(data[~mask])) - 1.0))
    return measured("noise_floor", float(np.quantile(differences, 0.95)), n=n)


def drift(values: Sequence[float]) -> tuple[Measurement, bool]:
    """(|relative change over all rounds|, whether it is more than chance).

    Theil-Sen slope (H. Theil 1950, P. K. Sen, JASA 63 (1968)) times the span, over the median; tested by a seeded
    permutation of Kendall's S (10,000 permutations, p < 0.01). Null below 6 rounds.
    """
    n = len(values)
    if n < MIN_ROUNDS:
        return not_measured("drift", f"{n} rounds; it takes {MIN_ROUNDS} to see a trend"), False
    data = np.asarray(values, dtype=np.float64)
    i, j = np.triu_indices(n, 1)
    slope = float(np.median((data[j] - data[i]) / (j - i)))
    change = slope * (n - 1) / float(np.median(data))
    rng = np.random.default_rng(0)
    shuffled = data[np.argsort(rng.random((10_000, n)), axis=1)]
    scores = np.abs(np.sign(shuffled[:, j] - shuffled[:, i]).sum(axis=1))
    own = abs(float(np.sign(data[j] - data[i]).sum()))
    p = (1 + int((scores >= own).sum())) / 10_001
    return measured("drift", abs(change), n=n), p < DRIFT_P


def signed_rank_cut(n: int, confidence: float) -> int:
    """Largest k with P(W+ <= k) <= (1 - confidence) / 2 under the null, W+ of Wilcoxon's signed-rank test; -1 if none.

    Exact, by counting the subsets of {1 … n} by their sum (F. Wilcoxon, Biometrics Bulletin 1 (1945)).
    """
    counts = [1] + [0] * (n * (n + 1) // 2)
    for rank in range(1, n + 1):
        for total in range(len(counts) - 1, rank - 1, -1):
            counts[total] += counts[total - rank]
    allowed, seen = (1.0 - confidence) / 2.0 * 2**n, 0
    for total, count in enumerate(counts):
        seen += count
        if seen > allowed:
            return total - 1
    return len(counts) - 1


def compare_rounds(a: Mapping[int, float], b: Mapping[int, float], *, floor: float) -> Difference:
    """Is ``b`` faster or slower than ``a`` (rates by round, measured interleaved)?

    Hodges-Lehmann estimate of the log ratio over the rounds both have, with the exact signed-rank interval at 99 %
    (J. L. Hodges, E. L. Lehmann, Ann. Math. Statist. 34 (1963)). A difference is called when the interval excludes
    zero and the estimate exceeds ``floor``. ValueError when fewer than 8 rounds are paired: no interval exists.
    """
    common = sorted(set(a) & set(b))
    cut = signed_rank_cut(len(common), CONFIDENCE)
    if cut < 0:
        raise ValueError(f"{len(common)} paired rounds: too few for a {100 * CONFIDENCE:g} % interval")
    logs = np.asarray([math.log(b[r] / a[r]) for r in common])
    i, j = np.triu_indices(len(logs))
    walsh = np.sort((logs[i] + logs[j]) / 2.0)
    low, high, middle = float(walsh[cut]), float(walsh[-1 - cut]), float(np.median(walsh))
    ratio = math.expm1(middle)
    verdict: Verdict = "cannot tell"
    if abs(ratio) > floor and (low > 0 or high < 0):
        verdict = "faster" if ratio > 0 else "slower"
    return Difference(
        ratio=ratio,
        ci_low=math.expm1(low),
        ci_high=math.expm1(high),
        floor=floor,
        rounds=len(common),
        verdict=verdict,
    )
