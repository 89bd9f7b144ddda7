"""Which artifact leaves which behind: better in something, and shown not to be worse in everything else.

"Not worse" needs a test of its own: what could not be told apart because it was hardly measured may be much worse. The
interval of the difference must exclude a loss of more than ``MARGIN``. What only one of the two has, and what may not
be compared, was not shown either.
"""

from __future__ import annotations

from collections.abc import Callable

from olivepress.compare.document import Row, Verdict
from olivepress.compare.render.phrases import difference_text
from olivepress.report.registry import METRICS

__all__ = ["COMPARED", "MARGIN", "better_in", "dominates", "not_worse"]

MARGIN = 0.05  # of a rate and of a perplexity, and 5 points of a share
SMALLEST = {
    "kl_answer": 1e-3,
    "kl_divergence": 1e-3,
    "kl_top256": 1e-3,
}  # nats: differences below this are none, next to a KL of 0
COMPARED = (
    "exact_match", "label_accuracy_constrained", "f1_token", "rouge_l", "kl_answer", "kl_divergence", "kl_top256",
    "top1_agreement", "perplexity", "decode_tps", "ttft_ms", "size_on_disk_bytes", "peak_memory_bytes",
)  # fmt: skip
Lookup = Callable[[str, str, str], Verdict | None]


def not_worse(verdict: Verdict, a: Row, b: Row) -> bool:
    """Whether ``b`` (second in the verdict) is shown not to be worse than ``a`` by more than the margin."""
    if verdict.call == "better":
        return True
    if verdict.call != "cannot tell":
        return False
    higher = METRICS[verdict.metric].direction == "higher"
    if verdict.method.startswith("intervals"):
        return _by_intervals(verdict.metric, a, b, higher=higher)
    if METRICS[verdict.metric].unit == "bytes":  # no interval: within its threshold
        return verdict.difference is not None
    end = verdict.ci_low if higher else verdict.ci_high
    return end is not None and (-end if higher else end) <= MARGIN


def _by_intervals(metric: str, a: Row, b: Row, *, higher: bool) -> bool:
    """From the far ends of two intervals: there is no paired test of KL, top-1 and perplexity."""
    first, second = a.report.metrics[metric], b.report.metrics[metric]
    if first == second and first.n:
        return True
    if first.value is None or None in (first.ci_low, first.ci_high, second.ci_low, second.ci_high):
        return False
    loss = (
        (first.ci_high or 0.0) - (second.ci_low or 0.0) if higher else (second.ci_high or 0.0) - (first.ci_low or 0.0)
    )
    return loss <= (MARGIN if higher else max(MARGIN * abs(first.value), SMALLEST.get(metric, 0.0)))


def dominates(a: Row, b: Row, lookup: Lookup) -> bool:
    """``a`` is better than ``b`` in one metric and shown not to be worse in every other that either of them has."""
    if a is b:
        return False
    better = False
    for metric in COMPARED:
        if not any(_has(row, metric) for row in (a, b)):
            continue
        verdict = lookup(b.name, a.name, metric)
        if verdict is None or not not_worse(verdict, b, a):
            return False
        better = better or verdict.call == "better"
    return better


def _has(row: Row, metric: str) -> bool:
    measurement = row.report.metrics.get(metric)
    return measurement is not None and measurement.value is not None


def better_in(a: Row, b: Row, lookup: Lookup) -> str:
    """Where ``a`` is better than ``b``, in words."""
    better = [v for metric in COMPARED if (v := lookup(b.name, a.name, metric)) and v.call == "better"]
    return ", ".join(f"{METRICS[v.metric].title} ({difference_text(v)})" for v in better)
