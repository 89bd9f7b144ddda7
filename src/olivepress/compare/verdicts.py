"""Pairs of reports → verdicts: better, worse, cannot tell, or not comparable, metric by metric.

How a metric is compared is its ``judge`` (``report.registry``):

- ``share``, right or wrong per example: exact McNemar test, Newcombe's interval;
- ``mean``, a number per example: paired bootstrap of the mean, 10,000 resamples;
- both corrected together by Holm over all pairs and metrics of one comparison;
- ``rounds``: per round, Hodges-Lehmann with the exact signed-rank interval (99 %), called only beyond the noise floor
  that was measured (``report.noise``); not part of Holm, because the floor is what guards it;
- ``interval``: only intervals that do not touch are called different (they are of one model each);
- ``threshold``: a relative difference of more than the metric's threshold, for what hardly varies.
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
from olivepress.report.examples import Scores
from olivepress.report.noise import CONFIDENCE, compare_rounds
from olivepress.report.registry import METRICS, judged
from olivepress.stats.paired import ALPHA, bootstrap_means, compare_shares, detectable_mean, holm

__all__ = ["LOSS_MARGIN", "Pair", "common_scores", "judge"]

LOSS_MARGIN = 0.05  # of a rate and of a perplexity, and 5 points of a share: "not worse" must exclude a larger loss
COLUMNS = 256  # comparisons that share one set of resamples: bounds the matrix


@dataclass(frozen=True, kw_only=True)
class Pair:
    """``b`` is compared with ``a``; the names are those of the rows. ``metrics``: only these, where there are any."""

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


def judge(pairs: Sequence[Pair], metrics: Sequence[str] | None = None) -> list[Verdict]:
    """Verdicts of all pairs, in their order and that of ``metrics`` (all that have a judge); a metric that neither of
    a pair has is left out.

    So is what is measured of exports only, where one of the two is a PyTorch model.
    """
    verdicts: list[Verdict | _Means] = []
    for pair in pairs:
        for metric in pair.metrics or metrics or judged():
            verdict = _verdict(pair, metric)
            if verdict is not None:
                verdicts.append(verdict)
    return _corrected(_bootstrapped(verdicts))


def _verdict(pair: Pair, metric: str) -> Verdict | _Means | None:
    a, b = (side.report.metrics.get(metric) for side in (pair.a, pair.b))
    with_pytorch = "pytorch" in (pair.a.report.runtime, pair.b.report.runtime)
    # A PyTorch model is not shipped, and it is its own parent.
    of_exports_only = METRICS[metric].group in ("latency", "size", "fidelity")
    if (_is_missing(a) and _is_missing(b)) or (with_pytorch and of_exports_only):
        return None
    unjudged = Verdict(
        a=pair.name_a,
        b=pair.name_b,
        metric=metric,
        call="not comparable",
        value_a=pair.a.report.value(metric),
        value_b=pair.b.report.value(metric),
    )
    missing = next((side for side, m in ((pair.name_a, a), (pair.name_b, b)) if _is_missing(m)), None)
    reason = f"not measured of {missing}" if missing else refusal(pair.a.report, pair.b.report, metric)
    if reason is not None or a is None or b is None:
        return replace(unjudged, notes=(reason or "not measured",))
    unjudged = replace(unjudged, call="cannot tell", notes=notes(pair.a, pair.b, metric))
    match METRICS[metric].judge:
        case "share":
            return _share(pair, metric, unjudged)
        case "mean":
            return _mean(pair, metric, unjudged)
        case "rounds":
            return _rounds(pair, metric, unjudged)
        case "threshold":
            return _by_threshold(metric, unjudged)
        case _:
            return _intervals(a, b, unjudged)


def _is_missing(measurement: Measurement | None) -> bool:
    return measurement is None or measurement.value is None


def _without_examples(unjudged: Verdict) -> Verdict:
    notes = ("no common examples beside the reports", *unjudged.notes)
    return replace(unjudged, call="not comparable", notes=notes)


def _mean(pair: Pair, metric: str, unjudged: Verdict) -> Verdict | _Means:
    a, b, ids = common_scores(pair.a.scores, pair.b.scores, metric)
    if not ids:
        return _without_examples(unjudged)
    differences = (b - a).astype(np.float64)
    waiting = replace(
        unjudged,
        value_a=float(a.mean()),
        value_b=float(b.mean()),
        difference=float(differences.mean()),
        n=len(ids),
        method="paired bootstrap",
        lost=int((differences < 0).sum()),
        gained=int((differences > 0).sum()),
        detectable=detectable_mean(differences) if len(ids) > 1 else None,
    )
    return _Means(verdict=waiting, ids=ids, differences=differences)


def _share(pair: Pair, metric: str, unjudged: Verdict) -> Verdict:
    a, b, ids = common_scores(pair.a.scores, pair.b.scores, metric)
    if not ids:
        return _without_examples(unjudged)
    shares = compare_shares(a > 0.5, b > 0.5)
    return replace(
        unjudged,
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


def common_scores(
    first: Scores | None, second: Scores | None, metric: str
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...]]:
    """Scores of both on the examples that both have a score of, and their ids."""
    nothing = np.empty(0), np.empty(0), ()
    if first is None or second is None:
        return nothing
    a, b = first.values.get(metric), second.values.get(metric)
    if a is None or b is None:
        return nothing
    ids = first.ids
    if ids is not second.ids:  # another selection of the split: both are sorted by id
        place = {example: index for index, example in enumerate(second.ids)}
        kept = [(index, place[example]) for index, example in enumerate(ids) if example in place]
        a, b = a[[i for i, _ in kept]], b[[j for _, j in kept]]
        ids = tuple(ids[i] for i, _ in kept)
    known = ~(np.isnan(a) | np.isnan(b))
    if known.all():
        return a, b, ids
    return a[known], b[known], tuple(example for example, keep in zip(ids, known.tolist(), strict=True) if keep)


def _rounds(pair: Pair, metric: str, unjudged: Verdict) -> Verdict:
    a, b = pair.a.by_round.get(metric, {}), pair.b.by_round.get(metric, {})
    floors = [side.report.value("noise_floor") for side in (pair.a, pair.b)]
    if None in floors:
        return replace(unjudged, notes=("too few rounds for a noise floor", *unjudged.notes))
    try:
        difference = compare_rounds(a, b, floor=max(floor for floor in floors if floor is not None))
    except ValueError as error:
        return replace(unjudged, notes=(str(error), *unjudged.notes))
    call: Call = "cannot tell"
    if difference.verdict != "cannot tell":
        call = _direction(metric, difference.ratio)
    return replace(
        unjudged,
        call=call,
        difference=difference.ratio,
        relative=True,
        ci_low=difference.ci_low,
        ci_high=difference.ci_high,
        confidence=CONFIDENCE,
        n=difference.rounds,
        detectable=max(difference.floor, (difference.ci_high - difference.ci_low) / 2),
        method=f"signed ranks of rounds, noise floor {100 * difference.floor:.1f} %",
    )


def _by_threshold(metric: str, unjudged: Verdict) -> Verdict:
    a, b, threshold = unjudged.value_a, unjudged.value_b, METRICS[metric].threshold
    if not a or b is None:
        return replace(unjudged, call="not comparable", notes=("a size of nothing", *unjudged.notes))
    ratio = b / a - 1
    call: Call = "cannot tell"
    if abs(ratio) > threshold:
        call = _direction(metric, ratio)
    method = f"more than {100 * threshold:g} %"
    return replace(unjudged, call=call, difference=ratio, relative=True, n=1, detectable=threshold, method=method)


def _intervals(a: Measurement, b: Measurement, unjudged: Verdict) -> Verdict:
    difference = (b.value or 0.0) - (a.value or 0.0)
    unclear = replace(unjudged, difference=difference, method="intervals apart", n=min(a.n, b.n))
    if a.ci_low is None or a.ci_high is None or b.ci_low is None or b.ci_high is None:
        return replace(unclear, notes=("no interval was measured", *unjudged.notes))
    if a.ci_low <= b.ci_high and b.ci_low <= a.ci_high:
        return unclear
    return replace(unclear, call=_direction(unjudged.metric, b.ci_low - a.ci_high))


def _direction(metric: str, difference: float) -> Call:
    """What a difference other than 0 that is no chance is called."""
    return "better" if (difference > 0) == METRICS[metric].higher_is_better else "worse"


def _bootstrapped(verdicts: Sequence[Verdict | _Means]) -> list[Verdict]:
    """Compute what waits, comparisons of the same examples together: they share the resamples."""
    groups: dict[tuple[str, ...], list[tuple[int, _Means]]] = defaultdict(list)
    done: dict[int, Verdict] = {}
    for index, item in enumerate(verdicts):
        if isinstance(item, _Means):
            groups[item.ids].append((index, item))
        else:
            done[index] = item
    for waiting in groups.values():
        for start in range(0, len(waiting), COLUMNS):
            part = waiting[start : start + COLUMNS]
            intervals = bootstrap_means(np.stack([item.differences for _, item in part], axis=1))
            for (index, item), (low, high, p) in zip(part, intervals, strict=True):
                done[index] = replace(item.verdict, ci_low=low, ci_high=high, p_value=p)
    return [done[index] for index in range(len(verdicts))]


def _corrected(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Holm over every test with a p-value, and the call that follows from it."""
    tested = [index for index, verdict in enumerate(verdicts) if verdict.p_value is not None]
    p_values = dict(zip(tested, holm([verdicts[i].p_value or 0.0 for i in tested]), strict=True))
    corrected = []
    for index, verdict in enumerate(verdicts):
        p = p_values.get(index)
        if p is None:
            corrected.append(verdict)
            continue
        call: Call = "cannot tell"
        if p < ALPHA and verdict.difference:
            call = _direction(verdict.metric, verdict.difference)
        corrected.append(replace(verdict, p_holm=p, call=call))
    return corrected
