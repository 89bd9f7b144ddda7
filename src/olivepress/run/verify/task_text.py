"""A verdict by the task's answers, in words."""

from __future__ import annotations

from olivepress.core.artifact import TaskVerdict
from olivepress.report.registry import METRICS

__all__ = ["verdict_text"]

_CALLS = {"not inferior": "keeps the task", "inferior": "loses the task", "cannot tell": "cannot tell"}


def verdict_text(verdict: TaskVerdict) -> str:
    """One line: both shares, their difference with its interval in points, the margin, and what a verdict lacks."""
    if verdict.value is None or verdict.parent_value is None:
        return f"{_CALLS[verdict.call]}: {verdict.reason}"
    text = f"{_CALLS[verdict.call]}: {METRICS[verdict.metric].title.lower()} {_percent(verdict.value)} against "
    text += (
        f"{_percent(verdict.parent_value)} of the merged model on {verdict.rows:,} validation rows, {_points(verdict)}"
    )
    if verdict.call != "cannot tell":
        return text
    return f"{text}; {verdict.reason or _missing(verdict)}; the divergence decides"


def _points(verdict: TaskVerdict) -> str:
    numbers = (verdict.difference, verdict.ci_low, verdict.ci_high)
    difference, low, high = (f"{100 * number:+.1f}" for number in numbers if number is not None)
    return f"difference {difference} points ({low} to {high}), margin {100 * verdict.margin:g}"


def _missing(verdict: TaskVerdict) -> str:
    """What it would take. Rows that were there and not asked are the recipe's to allow."""
    text = f"about {verdict.rows_needed:,} rows needed, the validation split has {verdict.rows_available:,}"
    more = verdict.rows < verdict.rows_available
    return f"{text} ({verdict.rows:,} were asked: limits.rows in the recipe allows more)" if more else text


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
