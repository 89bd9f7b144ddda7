"""Is what was measured now worse than what was measured before? For a pipeline that needs a yes or a no."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from olivepress.compare.document import Row, Verdict
from olivepress.compare.load import Loaded
from olivepress.compare.render.phrases import sentence
from olivepress.compare.rows import order, rows_of
from olivepress.compare.verdicts import LOSS_MARGIN, Pair, judge
from olivepress.core.errors import UsageError
from olivepress.report.registry import METRICS, gated

__all__ = ["EXIT", "Gate", "gate"]

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
    not there or not comparable, or an interval reaches further to the bad side than ``LOSS_MARGIN``; else "pass".
    UsageError when a machine, recipe and job is there twice.
    """
    before, after = _by_key(baseline, "the baseline"), _by_key(now, "what is compared")
    reasons = [f"{'/'.join(key)}: not measured again" for key in before if key not in after]
    reasons += [f"{'/'.join(key)}: not in the baseline" for key in after if key not in before]
    common = [key for key in after if key in before]
    if not common:
        reasons.append("no report has a counterpart in the baseline")
    ordered = sorted((after[key] for key in common), key=lambda item: order(item.report))
    rows = rows_of(ordered)
    pairs = [
        Pair(a=before[_key(item)], b=item, name_a=f"{row.name} before", name_b=row.name)
        for item, row in zip(ordered, rows, strict=True)
    ]
    verdicts = tuple(judge(pairs, gated()))
    worse = [verdict for verdict in verdicts if verdict.call == "worse"]
    if worse:
        named = _with_earlier(rows)
        return Gate(result="worse", verdicts=verdicts, reasons=tuple(sentence(verdict, named) for verdict in worse))
    reasons += [reason for verdict in verdicts if (reason := _unclear(verdict)) is not None]
    return Gate(result="cannot tell" if reasons else "pass", verdicts=verdicts, reasons=tuple(reasons))


def _with_earlier(rows: Sequence[Row]) -> dict[str, Row]:
    """Name → row, of what is compared and of the baseline."""
    earlier = [replace(row, name=f"{row.name} before", short=f"{row.short} before") for row in rows]
    return {row.name: row for row in (*rows, *earlier)}


def _key(item: Loaded) -> tuple[str, str, str]:
    return item.report.machine.id, item.report.recipe, item.report.job


def _by_key(items: Sequence[Loaded], where: str) -> dict[tuple[str, str, str], Loaded]:
    by_key: dict[tuple[str, str, str], Loaded] = {}
    for item in items:
        key = _key(item)
        if key in by_key:
            raise UsageError(f"{'/'.join(key)}: twice in {where}", next_step="name one report of each")
        by_key[key] = item
    return by_key


def _unclear(verdict: Verdict) -> str | None:
    """Why "not worse" was not shown, or None when it was."""
    head = f"{verdict.b}: {verdict.metric}"
    if verdict.call == "not comparable":
        return None if verdict.value_a is None else f"{head}: {'; '.join(verdict.notes)}"
    metric = METRICS[verdict.metric]
    if verdict.call == "better" or metric.judge == "threshold":  # no interval: the threshold has decided
        return None
    higher = metric.higher_is_better
    end = verdict.ci_low if higher else verdict.ci_high
    if end is None:
        return f"{head}: {'; '.join(verdict.notes) or 'no interval was measured'}"
    loss = -end if higher else end
    if loss <= LOSS_MARGIN:
        return None
    return f"{head}: a loss of up to {100 * loss:.1f} % is not excluded (n={verdict.n})"
