"""Where answers are JSON: as many are valid, and conform to the schema, as those of the full-precision parent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from olivepress.compare.load import Loaded
from olivepress.core.printable import printable
from olivepress.registry.case import Case
from olivepress.registry.gate import GateResult, failed, inconclusive, not_required, passed, worst
from olivepress.report.device_report import DeviceReport, Measurement
from olivepress.report.registry import METRICS
from olivepress.stats.intervals import examples_to_decide

__all__ = ["judge"]

_METRICS = ("json_schema_match", "json_valid")


def judge(case: Case) -> GateResult:
    results = [result for item in case.reports for name in _METRICS for result in _of_metric(case, item.report, name)]
    if case.recipe.data is not None and case.recipe.data.json_schema:
        results += _unchecked(case)
    if results:
        return worst(results)
    return not_required("the answers are no JSON")


def _unchecked(case: Case) -> Iterator[GateResult]:
    """A failure for every machine on which no answer was checked with the recipe's schema."""
    step, problem = (
        f"olivepress bench {case.recipe.name}",
        "the recipe has a JSON Schema, and no answer was checked with it",
    )
    if not case.reports:
        yield failed(problem, next_step=step)
    for item in case.reports:
        if item.report.value(_METRICS[0]) is None:
            yield failed(f"{printable(item.report.machine.id)}: {problem}", next_step=step)


def _of_metric(case: Case, report: DeviceReport, name: str) -> Sequence[GateResult]:
    """One result, or none where the metric was not measured."""
    now = report.metrics.get(name)
    if now is None or now.value is None:
        return []
    head = f"{printable(report.machine.id)}: {METRICS[name].title}"
    before = _of_parent(case.parent_reports, name)
    if before is None or before.value is None:
        step = f"olivepress bench {case.recipe.name}, which measures the parent too"
        return [inconclusive(f"{head} {100 * now.value:.1f} %, not measured of the parent", next_step=step)]
    return [_judge(head, before, now, case.margin)]


def _of_parent(reports: Sequence[Loaded], name: str) -> Measurement | None:
    return next((item.report.metrics[name] for item in reports if name in item.report.metrics), None)


def _judge(head: str, before: Measurement, now: Measurement, margin: float) -> GateResult:
    """Newcombe's interval of the difference of two shares (Statist. Med. 17 (1998) 873-890, method 10), unpaired, so
    wider than that of the same examples: it is the pairs that make it narrow."""
    a, b = before.value or 0.0, now.value or 0.0
    text = f"{head} {100 * b:.1f} %, of the parent {100 * a:.1f} %, may lose {100 * margin:g} points, n={now.n:,}"
    if None in (*before.ends, *now.ends):
        return inconclusive(f"{text}; no interval was measured", next_step="measure again with olivepress bench")
    (low_a, high_a), (low_b, high_b) = _ends(before), _ends(now)
    difference = b - a
    low = difference - math.hypot(b - low_b, high_a - a)
    high = difference + math.hypot(high_b - b, a - low_a)
    if low > -margin:
        return passed(text)
    if high < -margin:
        return failed(text, next_step="choose a target that loses less, or train on more answers of that form")
    needed = examples_to_decide(now.n, difference, low, high, -margin)
    return inconclusive(text, next_step="measure more test examples", n=needed)


def _ends(measurement: Measurement) -> tuple[float, float]:
    low, high = measurement.ends
    return low or 0.0, high or 0.0
