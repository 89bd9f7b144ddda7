"""Is what was measured now worse than what was measured before? For a pipeline that has to say yes or no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from olivepress.charts.table import order
from olivepress.compare.comparison import rows_of
from olivepress.compare.document import Verdict
from olivepress.compare.load import Loaded
from olivepress.compare.render.phrases import sentence
from olivepress.compare.verdicts import Pair, judge
from olivepress.core.errors import UsageError
from olivepress.report.registry import METRICS

__all__ = ["EXIT", "GATED", "MARGIN", "Gate", "gate"]

GATED = (
    "exact_match",
    "label_accuracy_constrained",
    "ttft_ms",
    "decode_tps",
    "peak_memory_bytes",
    "size_on_disk_bytes",
)
MARGIN = 0.05  # of a rate, and 5 points of a share: "not worse" must exclude a loss larger than that
EXIT = {"pass": 0, "worse": 1, "cannot tell": 2}
Result = Literal["pass", "worse", "cannot tell"]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """``result`` over all verdicts (baseline → now); ``reasons`` are those that decided it, in words."""

    result: Result
    verdicts: tuple[Verdict, ...]
    reasons: tuple[str, ...]


def gate(now: Sequence[Loaded], baseline: Sequence[Loaded]) -> Gate:
    """Every report against the baseline's of the same machine, recipe and job.

    "worse" when one metric is worse; else "cannot tell" when a report has no counterpart, a metric of the baseline is
    not there or not comparable, or an interval reaches further to the bad side than ``MARGIN``; else "pass".
    UsageError when a machine, recipe and job is there twice.
    """
    before, after = _by_key(baseline, "the baseline"), _by_key(now, "what is compared")
    reasons = [f"{'/'.join(key)}: not measured again" for key in before if key not in after]
    reasons += [f"{'/'.join(key)}: not in the baseline" for key in after if key not in before]
    common = [key for key in after if key in before]
    if not common:
        reasons.append("no report has a counterpart in the baseline")
    ordered = sorted((after[key] for key in common), key=lambda item: order(item.report))
    pairs = [
        Pair(a=before[_key(item)], b=item, name_a=f"{row.name} before", name_b=row.name)
        for item, row in zip(ordered, rows_of(ordered), strict=True)
    ]
    verdicts = tuple(judge(pairs, GATED))
    worse = [verdict for verdict in verdicts if verdict.call == "worse"]
    if worse:
        return Gate(result="worse", verdicts=verdicts, reasons=tuple(sentence(verdict) for verdict in worse))
    reasons += [reason for verdict in verdicts if (reason := _open(verdict)) is not None]
    return Gate(result="cannot tell" if reasons else "pass", verdicts=verdicts, reasons=tuple(reasons))


def _key(item: Loaded) -> tuple[str, str, str]:
    return item.report.machine.id, item.report.recipe, item.report.job


def _by_key(items: Sequence[Loaded], where: str) -> dict[tuple[str, str, str], Loaded]:
    found: dict[tuple[str, str, str], Loaded] = {}
    for item in items:
        key = _key(item)
        if key in found:
            raise UsageError(f"{'/'.join(key)}: twice in {where}", next_step="name one report of each")
        found[key] = item
    return found


def _open(verdict: Verdict) -> str | None:
    """Why "not worse" was not shown, or None when it was."""
    head = f"{verdict.b}: {verdict.metric}"
    if verdict.call == "not comparable":
        return None if verdict.value_a is None else f"{head}: {'; '.join(verdict.notes)}"
    if verdict.call == "better" or verdict.n == 1:  # bytes have no interval: their threshold has already spoken
        return None
    higher = METRICS[verdict.metric].direction == "higher"
    end = verdict.ci_low if higher else verdict.ci_high
    if end is None:
        return f"{head}: {'; '.join(verdict.notes) or 'no interval was measured'}"
    loss = -end if higher else end
    return None if loss <= MARGIN else f"{head}: a loss of up to {100 * loss:.1f} % is not excluded (n={verdict.n})"
