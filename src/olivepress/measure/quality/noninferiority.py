"""Whether an export is not inferior to its parent on a task: the verdict from paired answers, and how many it needs.

The verdict compares the mean difference of the scores on the same rows with a margin (a share: 0.02 is 2 points).

- **not inferior**: the two-sided 95 % interval of the difference lies above -margin. With a true loss of the margin or
  more this verdict has a probability of at most 2.5 %.
- **inferior**: the interval lies below -margin. With a true loss of the margin or less this verdict has a probability
  of at most 2.5 %.
- **cannot tell**: anything else, too few rows, or a parent that is rarely right and so has no score to lose.

Right or wrong uses Tango's score interval, scores of free text the adjusted paired interval of Bonett and Price
(``stats.intervals``). An internal pilot estimates the share of rows on which the two differ, blind to which of them is
right (T. Friede, M. Kieser, Pharm. Statist. 3 (2004)); the number of rows follows from it, and all remaining rows are
answered before the one final analysis. Only a very clear loss ends at the pilot, by the bound of Haybittle and Peto
(|z| > 3.29), which leaves the error of the final analysis unchanged.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from olivepress.core.artifact import TaskCall, TaskVerdict
from olivepress.report.answers import FEWEST
from olivepress.stats.intervals import Z95, paired_mean_interval, paired_score_interval, restricted_variance, wilson

__all__ = ["PILOT", "judge_task", "rows_needed", "rows_to_ask", "too_few_rows"]

PILOT = 100  # rows of the internal pilot
_EARLY = 3.2905267314919255  # the 99.95 % quantile of the normal: p < 0.001 two-sided
_POWER = 0.8416212335729143  # the 80 % quantile


def rows_needed(parent: Sequence[float], export: Sequence[float], margin: float) -> int:
    """Rows needed to show non-inferiority with a power of 80 % if there is no difference, from the rows so far.

    Right or wrong: n = (z₀.₉₇₅·√v + z₀.₈·√ψ)²/margin², ψ the share of rows on which the two differ, v the variance of
    the difference under a loss of the margin (J. Nam, Biometrics 53 (1997) 1422-1430). Scores:
    n = (z₀.₉₇₅ + z₀.₈)²·s²/margin², s² their mean squared difference. Two rows are added, one of them
    with a full difference, so that a pilot without differences does not predict that there are none.
    """
    differences = np.asarray(export, dtype=np.float64) - np.asarray(parent, dtype=np.float64)
    share = (float((differences**2).sum()) + 1.0) / (len(differences) + 2.0)
    variance = share
    if _right_or_wrong(parent, export):
        variance = restricted_variance(share / 2, share / 2, -margin)
    spread = Z95 * math.sqrt(variance) + _POWER * math.sqrt(share)
    # The minimum when no row differs.
    least = Z95**2 * (1.0 - margin) / margin
    return math.ceil(max((spread / margin) ** 2, least))


def rows_to_ask(parent: Sequence[float], export: Sequence[float], margin: float, most: int) -> int:
    """How many rows to answer in total, at most ``most``; the present number when it is already sufficient."""
    if _loses_more(parent, export, margin, z=_EARLY):
        return len(parent)
    return max(len(parent), min(rows_needed(parent, export, margin), most))


def judge_task(
    metric: str,
    parent: Sequence[float],
    export: Sequence[float],
    *,
    margin: float,
    available: int,
    limit: int | None = None,
    name: str = "the merged model",
) -> TaskVerdict:
    """The verdict on scores from 0 to 1 of the same rows in the same order; right or wrong are 1 and 0.

    ``available``: rows of the split; ``limit``: the most rows that the recipe allows; ``name``: what the parent is
    called in a reason. ValueError when lengths differ.
    """
    if len(parent) != len(export):
        raise ValueError(f"pairs need equally many scores, got {len(parent)} and {len(export)}")
    if len(parent) < FEWEST:
        return too_few_rows(metric, margin=margin, available=available, limit=limit, rows=len(parent))
    low, high = _interval(parent, export)
    call, reason = _call(parent, export, margin, name)
    needed = rows_needed(parent, export, margin) if call == "cannot tell" and not reason else None
    if needed is not None and needed <= len(parent):
        needed, reason = None, f"the difference is too close to the margin for {len(parent):,} rows"
    differences = np.asarray(export, dtype=np.float64) - np.asarray(parent, dtype=np.float64)
    return TaskVerdict(
        call=call,
        metric=metric,
        margin=margin,
        rows=len(parent),
        rows_available=available,
        rows_limit=limit,
        rows_needed=needed,
        value=float(np.mean(export)),
        parent_value=float(np.mean(parent)),
        difference=float(differences.mean()),
        ci_low=low,
        ci_high=high,
        only_parent=int((differences < 0).sum()),
        only_export=int((differences > 0).sum()),
        reason=reason,
    )


def too_few_rows(metric: str, *, margin: float, available: int, limit: int | None, rows: int) -> TaskVerdict:
    """The verdict where the split has too few rows for any."""
    return TaskVerdict(
        call="cannot tell",
        metric=metric,
        margin=margin,
        rows=0,
        rows_available=available,
        rows_limit=limit,
        rows_needed=FEWEST,
        reason=f"{rows} validation rows are too few; at least {FEWEST} are needed",
    )


def _call(parent: Sequence[float], export: Sequence[float], margin: float, name: str) -> tuple[TaskCall, str]:
    """(verdict, reason); no reason where only the number of rows is too small."""
    if not _exceeds_margin(parent, margin):
        share = 100 * float(np.mean(parent))
        return (
            "cannot tell",
            f"{name} itself is not shown to be right more often ({share:.1f} %) than the margin",
        )
    low, _ = _interval(parent, export)
    if low > -margin:
        return "not inferior", ""
    if _loses_more(parent, export, margin, z=Z95):
        return "inferior", ""
    return "cannot tell", ""


def _exceeds_margin(parent: Sequence[float], margin: float) -> bool:
    """Whether the parent's own score is shown to exceed the margin: losing a smaller score would be within it."""
    scores = np.asarray(parent, dtype=np.float64)
    if bool(np.isin(scores, (0.0, 1.0)).all()):
        return wilson(int(scores.sum()), len(scores))[0] > margin
    return float(scores.mean() - Z95 * scores.std(ddof=1) / math.sqrt(len(scores))) > margin


def _loses_more(parent: Sequence[float], export: Sequence[float], margin: float, *, z: float) -> bool:
    """Whether the loss is shown to exceed the margin; a loss of exactly the margin does not."""
    return _interval(parent, export, z=z)[1] < -margin - 1.0e-9


def _interval(parent: Sequence[float], export: Sequence[float], *, z: float = Z95) -> tuple[float, float]:
    first, second = np.asarray(parent, dtype=np.float64), np.asarray(export, dtype=np.float64)
    if _right_or_wrong(parent, export):
        return paired_score_interval(int((first > second).sum()), int((second > first).sum()), len(first), z=z)
    return paired_mean_interval(second - first, z=z)


def _right_or_wrong(parent: Sequence[float], export: Sequence[float]) -> bool:
    return bool(np.isin(np.concatenate([parent, export]), (0.0, 1.0)).all())
