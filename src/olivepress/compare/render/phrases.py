"""The words and numbers that terminal, Markdown and page have in common, so that they say the same."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from olivepress.charts.table import NULL, format_value, printable
from olivepress.compare.document import Decision, Document, Row, Verdict
from olivepress.report.device_report import Ceiling, Measurement
from olivepress.report.registry import METRICS

__all__ = [
    "MARKS",
    "Cell",
    "bytes_text",
    "ceiling_text",
    "cell",
    "detectable_text",
    "difference_interval",
    "difference_text",
    "difference_value",
    "interval_text",
    "machines",
    "measurement_cell",
    "metric_title",
    "numbers",
    "p_text",
    "pair",
    "provider_text",
    "sentence",
    "short_name",
    "value_text",
    "wrong_answer_texts",
]

# A sign beside the word: the call must be seen without colour and read without the sign.
MARKS = {"better": "▲", "worse": "▼", "cannot tell": "≈", "not comparable": "∅"}
ABSENT = "not in this report"
TINY_P = 1e-4


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measurement as text. ``reason`` is empty where there is a value; ``number`` is in the metric's own unit."""

    metric: str
    text: str
    interval: str
    number: float | None
    n: int
    reason: str


def machines(document: Document) -> tuple[str, ...]:
    """Every machine of the rows and decisions, in their order."""
    return tuple(dict.fromkeys([*(r.machine for r in document.rows), *(d.machine for d in document.decisions)]))


def metric_title(metric: str) -> str:
    """What heads a column; the name itself for a metric of another version."""
    return METRICS[metric].title if metric in METRICS else printable(metric)


def short_name(row: Row) -> str:
    """The row's name where its machine is said already."""
    return printable(row.name.removesuffix(f" @ {row.machine}"))


def cell(row: Row, metric: str) -> Cell:
    """The row's measurement of ``metric``; what is not in the report has a reason too."""
    return measurement_cell(metric, row.report.metrics.get(metric), str(row.report.settings.get("currency") or ""))


def measurement_cell(metric: str, found: Measurement | None, currency: str = "") -> Cell:
    """A measurement of any table as texts; money in ``currency`` where the recipe named one."""
    if found is None or found.value is None:
        reason = printable((found.reason if found else None) or ABSENT)
        return Cell(metric=metric, text=NULL, interval="", number=None, n=0, reason=reason)
    unit = currency if found.unit == "currency" and currency else found.unit
    return Cell(
        metric=metric,
        text=format_value(unit, found.value),
        interval=interval_text(unit, found.value, found.ci_low, found.ci_high),
        number=found.value,
        n=found.n,
        reason="",
    )


def interval_text(unit: str, value: float, low: float | None, high: float | None) -> str:
    """``low to high``, without the unit where it is that of the value; empty where there is none."""
    if low is None or high is None:
        return ""
    ends = [format_value(unit, end).partition(" ") for end in (low, high)]
    bare = {end[2] for end in ends} == {format_value(unit, value).partition(" ")[2]}
    return " to ".join(end[0] if bare else "".join(end) for end in ends)


def _unit(metric: str) -> str:
    return METRICS[metric].unit if metric in METRICS else "1"


def value_text(metric: str, value: float | None) -> str:
    """A value of the metric in its unit."""
    return NULL if value is None else format_value(_unit(metric), value)


def _gap(verdict: Verdict, value: float) -> str:
    """A difference with its sign: percent where relative, percentage points of shares, else in the metric's unit."""
    if verdict.relative or _unit(verdict.metric) == "ratio":
        return f"{100 * value:+.1f}"
    return f"{'-' if value < 0 else '+'}{format_value(_unit(verdict.metric), abs(value))}"


def _gap_unit(verdict: Verdict) -> str:
    if verdict.relative:
        return " %"
    return " points" if _unit(verdict.metric) == "ratio" else ""


def difference_value(verdict: Verdict) -> str:
    """``-2.0 points``."""
    return NULL if verdict.difference is None else _gap(verdict, verdict.difference) + _gap_unit(verdict)


def difference_interval(verdict: Verdict) -> str:
    """``-3.4 to -0.6``; the confidence is said where it is not 95 %. Empty where there is none."""
    if verdict.difference is None or verdict.ci_low is None or verdict.ci_high is None:
        return ""
    usual = "" if verdict.confidence == 0.95 else f", {100 * verdict.confidence:g} %"
    return f"{_gap(verdict, verdict.ci_low)} to {_gap(verdict, verdict.ci_high)}{usual}"


def difference_text(verdict: Verdict) -> str:
    """``-2.0 points (-3.4 to -0.6)``."""
    interval = difference_interval(verdict)
    return difference_value(verdict) + (f" ({interval})" if interval else "")


def detectable_text(verdict: Verdict) -> str:
    """The smallest difference that would have been found, without a sign."""
    if verdict.detectable is None:
        return NULL
    return _gap(verdict, abs(verdict.detectable)).removeprefix("+") + _gap_unit(verdict)


def p_text(value: float | None) -> str:
    """Two digits; what is smaller than a reader needs is a bound."""
    if value is None:
        return NULL
    return "<0.0001" if value < TINY_P else f"{value:.2g}"


def numbers(verdict: Verdict) -> tuple[str, ...]:
    """What a verdict rests on, part by part."""
    parts: list[str] = []
    if verdict.value_a is not None and verdict.value_b is not None:
        parts.append(f"{value_text(verdict.metric, verdict.value_a)} → {value_text(verdict.metric, verdict.value_b)}")
    if verdict.difference is not None:
        parts.append(difference_text(verdict))
    if verdict.n > 1:
        parts.append(f"n={verdict.n} pairs")
    if verdict.lost or verdict.gained:
        parts.append(f"lost {verdict.lost}, gained {verdict.gained}")
    if verdict.p_value is not None:
        equal = "" if verdict.p_value < TINY_P else "="
        holm = f" (Holm {p_text(verdict.p_holm)})" if verdict.p_holm is not None else ""
        parts.append(f"p{equal}{p_text(verdict.p_value)}{holm}")
    if verdict.detectable is not None and verdict.call == "cannot tell":
        parts.append(f"would see {detectable_text(verdict)}")
    return tuple(parts)


def pair(verdict: Verdict) -> tuple[str, str, str]:
    """The two names and, said once, the machine that both end with; empty where they do not."""
    a, at_a, machine_a = verdict.a.rpartition(" @ ")
    b, at_b, machine_b = verdict.b.rpartition(" @ ")
    if at_a and at_b and machine_a == machine_b:
        return printable(a), printable(b), printable(machine_a)
    return printable(verdict.a), printable(verdict.b), ""


def sentence(verdict: Verdict) -> str:
    """A verdict in one line of words."""
    a, b, where = pair(verdict)
    head = f"{a} → {b}{f' @ {where}' if where else ''}: {metric_title(verdict.metric)} {verdict.call}"
    return "; ".join(_said([", ".join((head, *numbers(verdict))), *verdict.notes]))


def provider_text(row: Row) -> str:
    """What ran it, without the ending that all providers have."""
    report = row.report
    return (
        "PyTorch"
        if report.runtime == "pytorch"
        else printable(report.execution_provider.removesuffix("ExecutionProvider"))
    )


def wrong_answer_texts(decision: Decision) -> list[str]:
    """Each wrong answer of the decision in one line: whose, to what, what was expected, and what it gave."""
    return [
        f"wrong: {answer.row}, {answer.id}: expected {answer.expected!r}, got {answer.output!r}"
        for answer in decision.wrong_answers
    ]


def _said(texts: Iterable[str]) -> list[str]:
    return [printable(text) for text in texts if text]


def bytes_text(value: int | float | None) -> str:
    """Bytes as MB or GB (powers of ten)."""
    return NULL if value is None else format_value("bytes", value)


def ceiling_text(ceiling: Ceiling) -> str:
    """What the machine can do at most, in words."""
    return (
        f"reads {ceiling.read_bytes_per_s / 1e9:.1f} GB/s, multiplies {ceiling.matrix_flops / 1e9:.0f} GFLOP/s, "
        f"{ceiling.threads} threads"
    )
