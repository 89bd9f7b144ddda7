"""Finds the verdict of a pair in a metric, whichever of the two came first."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from olivepress.compare.document import Verdict

__all__ = ["Lookup", "lookup_in"]

Lookup = Callable[[str, str, str], Verdict | None]  # (first, second, metric) → second against first


def lookup_in(verdicts: Sequence[Verdict]) -> Lookup:
    """A lookup over these verdicts; None for a pair that was not compared in the metric."""
    known = {(v.a, v.b, v.metric): v for v in verdicts}

    def lookup(a: str, b: str, metric: str) -> Verdict | None:
        return known.get((a, b, metric)) or _turned(known.get((b, a, metric)))

    return lookup


def _turned(verdict: Verdict | None) -> Verdict | None:
    """The same comparison seen from the other side."""
    if verdict is None:
        return None
    turned = {"better": "worse", "worse": "better"}.get(verdict.call, verdict.call)
    swapped = {"value_a": verdict.value_b, "value_b": verdict.value_a, "lost": verdict.gained, "gained": verdict.lost}
    d, low, high = verdict.difference, verdict.ci_low, verdict.ci_high

    def turn(x: float | None) -> float | None:
        if x is None or (verdict.relative and x <= -1):
            return None
        return 1 / (1 + x) - 1 if verdict.relative else -x

    ends = {"difference": turn(d), "ci_low": turn(high), "ci_high": turn(low)}
    return Verdict(**(vars(verdict) | {"a": verdict.b, "b": verdict.a, "call": turned} | swapped | ends))
