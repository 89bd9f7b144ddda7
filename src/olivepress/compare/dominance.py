"""Which artifact dominates which: better in something, and shown not to be worse in everything else.

"Not worse" needs a test of its own: what could not be distinguished because it was hardly measured may be much worse.
The interval of the difference must exclude a loss of more than ``LOSS_MARGIN``. What only one of the two has, and what
may not be compared, was not shown either.
"""

from __future__ import annotations

from olivepress.compare.document import Row, Verdict
from olivepress.compare.lookup import Lookup
from olivepress.compare.render.phrases import difference_text
from olivepress.compare.verdicts import LOSS_MARGIN
from olivepress.report.registry import METRICS, Metric, weighed

__all__ = ["better_in", "dominates", "not_worse"]


def not_worse(verdict: Verdict, a: Row, b: Row) -> bool:
    """Whether ``b`` (second in the verdict) is shown not to be worse than ``a`` by more than the margin."""
    if verdict.call == "better":
        return True
    if verdict.call != "cannot tell":
        return False
    metric = METRICS[verdict.metric]
    if metric.judge == "interval":
        return _by_intervals(metric, a, b)
    if metric.judge == "threshold":  # no interval: within its threshold
        return verdict.difference is not None
    if metric.higher_is_better:
        return verdict.ci_low is not None and -verdict.ci_low <= LOSS_MARGIN
    return verdict.ci_high is not None and verdict.ci_high <= LOSS_MARGIN


def _by_intervals(metric: Metric, a: Row, b: Row) -> bool:
    """From the far ends of two intervals: there is no paired test of KL, top-1 and perplexity."""
    first, second = a.report.metrics[metric.name], b.report.metrics[metric.name]
    if first == second and first.n:
        return True
    if first.value is None or None in (first.ci_low, first.ci_high, second.ci_low, second.ci_high):
        return False
    if metric.higher_is_better:
        return (first.ci_high or 0.0) - (second.ci_low or 0.0) <= LOSS_MARGIN
    allowed = max(LOSS_MARGIN * abs(first.value), metric.negligible)
    return (second.ci_high or 0.0) - (first.ci_low or 0.0) <= allowed


def dominates(a: Row, b: Row, lookup: Lookup) -> bool:
    """``a`` is better than ``b`` in one metric and shown not to be worse in every other that either of them has."""
    if a is b:
        return False
    better = False
    for metric in weighed():
        if a.report.value(metric) is None and b.report.value(metric) is None:
            continue
        verdict = lookup(b.name, a.name, metric)
        if verdict is None or not not_worse(verdict, b, a):
            return False
        better = better or verdict.call == "better"
    return better


def better_in(a: Row, b: Row, lookup: Lookup) -> str:
    """Where ``a`` is better than ``b``, in words."""
    better = [v for metric in weighed() if (v := lookup(b.name, a.name, metric)) and v.call == "better"]
    return ", ".join(f"{METRICS[v.metric].title} ({difference_text(v)})" for v in better)
