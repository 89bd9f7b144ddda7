"""A monitoring report: measures, trends, drift, alerts; and its page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from olivepress.charts.pages import render_page
from olivepress.core.printable import printable
from olivepress.monitor.drift import Drift
from olivepress.monitor.measures import Measure, Trend
from olivepress.report.judgement import Judgement

__all__ = ["MonitorReport", "judge_monitor", "monitor_html", "shown"]


@dataclass(frozen=True, kw_only=True)
class MonitorReport:
    """``sources`` are the names of the files; ``begin`` and ``end`` the first and the last time in them, if any has
    one."""

    sources: tuple[str, ...]
    n: int
    begin: str
    end: str
    dataset: str
    measures: tuple[Measure, ...]
    trends: tuple[Trend, ...]
    drift: Drift | None
    notes: tuple[str, ...]

    @property
    def alerts(self) -> tuple[Measure, ...]:
        """The measures that are beyond their limits."""
        return tuple(measure for measure in self.measures if measure.alert == "fail")


def judge_monitor(report: MonitorReport) -> Judgement:
    """Fail with an alert, inconclusive where nothing is beyond its limit and something may be."""
    judged = [measure for measure in report.measures if measure.alert is not None]
    for outcome in ("fail", "inconclusive"):
        these = [f"{measure.title.lower()} {shown(measure)}" for measure in judged if measure.alert == outcome]
        if these:
            return Judgement(outcome=outcome, evidence="; ".join(these), n=report.n)
    if not judged:
        return Judgement(outcome="inconclusive", evidence="nothing has a limit", n=report.n)
    return Judgement(outcome="pass", evidence=f"{len(judged)} measures are within their limits", n=report.n)


def shown(measure: Measure) -> str:
    """The value with its interval and limit, in words."""
    if measure.value is None:
        return f"not known ({measure.reason})"
    text = _number(measure, measure.value)
    if measure.ci_low is not None and measure.ci_high is not None:
        text += f" ({_number(measure, measure.ci_low)} to {_number(measure, measure.ci_high)})"
    if measure.limit is not None:
        side = "at least" if measure.is_minimum else "at most"
        text += f", {side} {_number(measure, measure.limit)}"
    return text


def _number(measure: Measure, value: float) -> str:
    if measure.unit == "share":
        return f"{100 * value:.1f} %"
    if measure.unit == "characters":
        return f"{value:.0f} characters"
    return f"x {value:.2f}" if measure.unit == "ratio" else f"{value:.2f}"


def monitor_html(report: MonitorReport) -> str:
    """One page without network and script; all text of the log escaped."""
    rows = [(each.title, shown(each), each.n, each.alert or "no limit") for each in report.measures]
    return render_page(
        "olivepress.monitor",
        "page.html",
        report=report,
        sources=[printable(name) for name in report.sources],
        judged=judge_monitor(report),
        rows=rows,
        trends=[(trend.name, _line(trend.values), trend.values) for trend in report.trends],
        words=[printable(word) for word in report.drift.words] if report.drift else [],
        notes=[printable(note) for note in report.notes],
    )


def _line(values: Sequence[float]) -> str:
    """Points of a line in a box of 240 x 48."""
    low, high = min(values), max(values)
    spread, step = (high - low) or 1.0, 232 / max(len(values) - 1, 1)
    return " ".join(f"{4 + step * n:.1f},{44 - 40 * (value - low) / spread:.1f}" for n, value in enumerate(values))
