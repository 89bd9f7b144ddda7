"""Pairs of reports → verdicts: better, worse, cannot tell, or not comparable, metric by metric.

How each kind of metric is judged:

- right or wrong per example (exact match, constrained label accuracy): exact McNemar test, Newcombe's interval;
- a number per example (token F1, ROUGE-L): paired bootstrap of the mean, 10,000 resamples;
- both kinds corrected together by Holm over all pairs and metrics of one comparison;
- decode rate and TTFT: per round, Hodges-Lehmann with the exact signed-rank interval (99 %), called only beyond the
  noise floor that was measured (``measure.trust``); not part of Holm, because the floor is what guards it;
- divergence and perplexity: only intervals that do not touch are called different (they are of one model each);
- bytes: more than a threshold, as they hardly vary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from olivepress.compare.comparable import notes, refusal
from olivepress.compare.document import Call, Verdict
from olivepress.compare.load import Loaded
from olivepress.report.device_report import Measurement
from olivepress.report.examples import EXAMPLE_SCORES
from olivepress.report.noise import CONFIDENCE, compare_rounds
from olivepress.report.registry import METRICS
from olivepress.stats.paired import ALPHA, bootstrap_means, compare_shares, detectable_mean, holm

__all__ = ["JUDGED", "Pair", "judge"]

SHARES = ("exact_match", "label_accuracy_constrained")
MEANS = tuple(EXAMPLE_SCORES)
ROUNDS = ("ttft_ms", "decode_tps")
INTERVALS = (
    "perplexity", "kl_answer", "kl_divergence", "kl_top256_answer", "kl_top256", "top1_answer", "top1_agreement",
)  # fmt: skip
BYTES = {"peak_memory_bytes": 0.05, "size_on_disk_bytes": 0.01}  # relative difference below which nothing is said
DEVICE_ONLY = (
    *ROUNDS,
    *BYTES,
    *(metric for metric in INTERVALS if metric != "perplexity"),
)  # a PyTorch model is not shipped, nor its own parent
JUDGED = (*SHARES, *MEANS, *INTERVALS, *ROUNDS, *BYTES)
COLUMNS = 256  # comparisons that share one set of resamples: bounds the matrix


@dataclass(frozen=True, kw_only=True)
class Pair:
    """``b`` is held against ``a``; the names are those of the rows. ``metrics`` are the only ones, where it has any."""

    a: Loaded
    b: Loaded
    name_a: str
    name_b: str
    metrics: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Means:
    """A paired bootstrap still to be computed: ``verdict`` waits for it."""

    verdict: Verdict
    ids: tuple[str, ...]
    differences: np.ndarray


def judge(pairs: Sequence[Pair], metrics: Sequence[str] = JUDGED) -> list[Verdict]:
    """Verdicts of all pairs, in their order and that of ``metrics``; a metric that neither has is left out.

    So is what is measured of exports only where one of the two is a PyTorch model.
    """
    found: list[Verdict | _Means] = []
    for pair in pairs:
        for metric in pair.metrics or metrics:
            verdict = _one(pair, metric)
            if verdict is not None:
                found.append(verdict)
    return _corrected(_bootstrapped(found))


def _one(pair: Pair, metric: str) -> Verdict | _Means | None:
    a, b = (side.report.metrics.get(metric) for side in (pair.a, pair.b))
    at_the_desk = "pytorch" in (pair.a.report.runtime, pair.b.report.runtime)
    if (_none(a) and _none(b)) or (at_the_desk and metric in DEVICE_ONLY):
        return None
    open_ = Verdict(
        a=pair.name_a,
        b=pair.name_b,
        metric=metric,
        call="not comparable",
        value_a=a.value if a else None,
        value_b=b.value if b else None,
    )
    missing = next((side for side, m in ((pair.name_a, a), (pair.name_b, b)) if _none(m)), None)
    why = f"not measured of {missing}" if missing else refusal(pair.a.report, pair.b.report, metric)
    if why is not None or a is None or b is None:
        return replace(open_, notes=(why or "not measured",))
    open_ = replace(open_, call="cannot tell", notes=notes(pair.a.report, pair.b.report, metric))
    if metric in SHARES or metric in MEANS:
        return _paired(pair, metric, open_)
    if metric in ROUNDS:
        return _rounds(pair, metric, open_)
    return _bytes(metric, open_) if metric in BYTES else _intervals(a, b, open_)


def _none(measurement: Measurement | None) -> bool:
    return measurement is None or measurement.value is None


def _paired(pair: Pair, metric: str, open_: Verdict) -> Verdict | _Means:
    a, b, ids = _common(pair, metric)
    if not ids:
        return replace(open_, call="not comparable", notes=("no common examples beside the reports", *open_.notes))
    if metric in MEANS:
        differences = (b - a).astype(np.float64)
        lost, gained = int((differences < 0).sum()), int((differences > 0).sum())
        waiting = replace(
            open_,
            value_a=float(a.mean()),
            value_b=float(b.mean()),
            difference=float(differences.mean()),
            n=len(ids),
            method="paired bootstrap",
            lost=lost,
            gained=gained,
            detectable=detectable_mean(differences) if len(ids) > 1 else None,
        )
        return _Means(verdict=waiting, ids=ids, differences=differences)
    shares = compare_shares(a > 0.5, b > 0.5)
    return replace(
        open_,
        value_a=shares.share_a,
        value_b=shares.share_b,
        difference=shares.difference,
        ci_low=shares.ci_low,
        ci_high=shares.ci_high,
        n=shares.n,
        p_value=shares.p_value,
        detectable=shares.detectable,
        method="exact McNemar",
        lost=shares.only_a,
        gained=shares.only_b,
    )


def _common(pair: Pair, metric: str) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Scores of both on the examples that both have a score of, and their ids."""
    nothing = np.empty(0), np.empty(0), ()
    if pair.a.scores is None or pair.b.scores is None:
        return nothing
    a, b = pair.a.scores.values.get(metric), pair.b.scores.values.get(metric)
    if a is None or b is None:
        return nothing
    ids = pair.a.scores.ids
    if ids is not pair.b.scores.ids:  # another selection of the split: both are sorted by id
        place = {example: index for index, example in enumerate(pair.b.scores.ids)}
        kept = [(index, place[example]) for index, example in enumerate(ids) if example in place]
        a, b = a[[i for i, _ in kept]], b[[j for _, j in kept]]
        ids = tuple(ids[i] for i, _ in kept)
    known = ~(np.isnan(a) | np.isnan(b))
    if known.all():
        return a, b, ids
    return a[known], b[known], tuple(example for example, keep in zip(ids, known.tolist(), strict=True) if keep)


def _rounds(pair: Pair, metric: str, open_: Verdict) -> Verdict:
    a, b = pair.a.by_round.get(metric, {}), pair.b.by_round.get(metric, {})
    floors = [_value(side.report.metrics.get("noise_floor")) for side in (pair.a, pair.b)]
    if None in floors:
        return replace(open_, notes=("too few rounds for a noise floor", *open_.notes))
    try:
        found = compare_rounds(a, b, floor=max(floor for floor in floors if floor is not None))
    except ValueError as error:
        return replace(open_, notes=(str(error), *open_.notes))
    higher = METRICS[metric].direction == "higher"
    call: Call = "cannot tell"
    if found.verdict != "cannot tell":
        call = "better" if (found.verdict == "faster") == higher else "worse"
    return replace(
        open_,
        call=call,
        difference=found.ratio,
        relative=True,
        ci_low=found.ci_low,
        ci_high=found.ci_high,
        confidence=CONFIDENCE,
        n=found.rounds,
        detectable=max(found.floor, (found.ci_high - found.ci_low) / 2),
        method=f"signed ranks of rounds, noise floor {100 * found.floor:.1f} %",
    )


def _value(measurement: Measurement | None) -> float | None:
    return measurement.value if measurement else None


def _bytes(metric: str, open_: Verdict) -> Verdict:
    a, b, threshold = open_.value_a, open_.value_b, BYTES[metric]
    if not a or b is None:
        return replace(open_, call="not comparable", notes=("a size of nothing", *open_.notes))
    ratio = b / a - 1
    call: Call = "cannot tell" if abs(ratio) <= threshold else "better" if ratio < 0 else "worse"
    method = f"more than {100 * threshold:g} %"
    return replace(open_, call=call, difference=ratio, relative=True, n=1, detectable=threshold, method=method)


def _intervals(a: Measurement, b: Measurement, open_: Verdict) -> Verdict:
    found = replace(open_, difference=(b.value or 0.0) - (a.value or 0.0), method="intervals apart", n=min(a.n, b.n))
    if a.ci_low is None or a.ci_high is None or b.ci_low is None or b.ci_high is None:
        return replace(found, notes=("no interval was measured", *open_.notes))
    if a.ci_low <= b.ci_high and b.ci_low <= a.ci_high:
        return found
    better = (b.ci_low > a.ci_high) == (METRICS[open_.metric].direction == "higher")
    return replace(found, call="better" if better else "worse")


def _bootstrapped(found: Sequence[Verdict | _Means]) -> list[Verdict]:
    """Compute what waits, comparisons of the same examples together: they share the resamples."""
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index, item in enumerate(found):
        if isinstance(item, _Means):
            groups[item.ids].append(index)
    done: dict[int, Verdict] = {index: item for index, item in enumerate(found) if isinstance(item, Verdict)}
    for indices in groups.values():
        for start in range(0, len(indices), COLUMNS):
            part = [(i, item) for i in indices[start : start + COLUMNS] if isinstance(item := found[i], _Means)]
            intervals = bootstrap_means(np.stack([item.differences for _, item in part], axis=1))
            for (index, item), (low, high, p) in zip(part, intervals, strict=True):
                done[index] = replace(item.verdict, ci_low=low, ci_high=high, p_value=p)
    return [done[index] for index in range(len(found))]


def _corrected(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Holm over every test with a p-value, and the call that follows from it."""
    tested = [index for index, verdict in enumerate(verdicts) if verdict.p_value is not None]
    corrected = dict(zip(tested, holm([verdicts[i].p_value or 0.0 for i in tested]), strict=True))
    found = []
    for index, verdict in enumerate(verdicts):
        p = corrected.get(index)
        if p is None:
            found.append(verdict)
            continue
        call: Call = "cannot tell"
        if p < ALPHA and verdict.difference:
            call = "better" if (verdict.difference > 0) == (METRICS[verdict.metric].direction == "higher") else "worse"
        found.append(replace(verdict, p_holm=p, call=call))
    return found
