"""The words and numbers that terminal, Markdown and page have in common, so that they agree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from olivepress.catalog.provider import short_provider
from olivepress.compare.document import Decision, Document, Row, Verdict
from olivepress.core.printable import printable
from olivepress.report.device_report import Ceiling, Measurement
from olivepress.report.registry import METRICS
from olivepress.report.values import NULL, format_value, number_and_unit

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
    "pair_text",
    "provider_text",
    "sentence",
    "short_name",
    "value_text",
    "values_text",
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
    """The row's name where its machine is named already."""
    return printable(row.short)


def cell(row: Row, metric: str) -> Cell:
    """The row's measurement of ``metric``; what is not in the report has a reason too."""
    return measurement_cell(metric, row.report.metrics.get(metric), str(row.report.settings.get("currency") or ""))


def measurement_cell(metric: str, measurement: Measurement | None, currency: str = "") -> Cell:
    """A measurement of any table as texts; money in ``currency`` where the recipe named one."""
    if measurement is None or measurement.value is None:
        reason = printable((measurement.reason if measurement else None) or ABSENT)
        return Cell(metric=metric, text=NULL, interval="", number=None, n=0, reason=reason)
    unit = currency if measurement.unit == "currency" and currency else measurement.unit
    return Cell(
        metric=metric,
        text=format_value(unit, measurement.value),
        interval=interval_text(unit, measurement.value, measurement.ci_low, measurement.ci_high),
        number=measurement.value,
        n=measurement.n,
        reason="",
    )


def interval_text(unit: str, value: float, low: float | None, high: float | None) -> str:
    """``low to high``, without the unit where it is that of the value; empty where there is none."""
    if low is None or high is None:
        return ""
    ends = [number_and_unit(unit, end) for end in (low, high)]
    _, shown_unit = number_and_unit(unit, value)
    if all(end_unit == shown_unit for _, end_unit in ends):
        return " to ".join(number for number, _ in ends)
    return " to ".join(format_value(unit, end) for end in (low, high))


def _unit(metric: str) -> str:
    return METRICS[metric].unit if metric in METRICS else "1"


def value_text(metric: str, value: float | None) -> str:
    """A value of the metric in its unit."""
    return NULL if value is None else format_value(_unit(metric), value)


def values_text(verdict: Verdict) -> str:
    """``4347 → 7738 tok/s``: both values, with the unit once where they share it."""
    if verdict.value_a is None or verdict.value_b is None:
        return f"{value_text(verdict.metric, verdict.value_a)} → {value_text(verdict.metric, verdict.value_b)}"
    first, unit = number_and_unit(_unit(verdict.metric), verdict.value_a)
    second, other = number_and_unit(_unit(verdict.metric), verdict.value_b)
    if unit != other:
        return f"{first} {unit} → {second} {other}"
    return f"{first} → {second} {unit}".rstrip()


def _size(verdict: Verdict, value: float) -> str:
    """A difference without its sign: percent where relative, percentage points of shares, else in the metric's unit."""
    if verdict.relative or _unit(verdict.metric) == "ratio":
        return f"{100 * abs(value):.1f}"
    return format_value(_unit(verdict.metric), abs(value))


def _signed(verdict: Verdict, value: float) -> str:
    return f"{'-' if value < 0 else '+'}{_size(verdict, value)}"


def _gap_unit(verdict: Verdict) -> str:
    if verdict.relative:
        return " %"
    return " points" if _unit(verdict.metric) == "ratio" else ""


def difference_value(verdict: Verdict) -> str:
    """``-2.0 points``."""
    return NULL if verdict.difference is None else _signed(verdict, verdict.difference) + _gap_unit(verdict)


def difference_interval(verdict: Verdict, *, with_confidence: bool = True) -> str:
    """``-3.4 to -0.6``, with the confidence where it is not 95 %. Empty where there is no interval."""
    if verdict.difference is None or verdict.ci_low is None or verdict.ci_high is None:
        return ""
    usual = "" if verdict.confidence == 0.95 or not with_confidence else f", {100 * verdict.confidence:g} %"
    return f"{_signed(verdict, verdict.ci_low)} to {_signed(verdict, verdict.ci_high)}{usual}"


def difference_text(verdict: Verdict) -> str:
    """``-2.0 points (-3.4 to -0.6)``."""
    interval = difference_interval(verdict)
    return difference_value(verdict) + (f" ({interval})" if interval else "")


def detectable_text(verdict: Verdict) -> str:
    """The smallest difference that would have been detected, without a sign."""
    if verdict.detectable is None:
        return NULL
    return _size(verdict, verdict.detectable) + _gap_unit(verdict)


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


def pair(verdict: Verdict, rows: Mapping[str, Row]) -> tuple[str, str, str]:
    """The two names and the machine of both; where the machines differ, the full names and an empty text.

    ``rows`` by name; a name that is no row of the document is shown as it is.
    """
    a, b = rows.get(verdict.a), rows.get(verdict.b)
    if a is None or b is None or a.machine != b.machine or a.name == a.short:
        return printable(verdict.a), printable(verdict.b), ""
    return printable(a.short), printable(b.short), printable(a.machine)


def pair_text(verdict: Verdict, rows: Mapping[str, Row]) -> str:
    """``a → b``, followed by ``@ machine`` where the names would repeat it."""
    a, b, machine = pair(verdict, rows)
    return f"{a} → {b} @ {machine}" if machine else f"{a} → {b}"


def sentence(verdict: Verdict, rows: Mapping[str, Row]) -> str:
    """A verdict in one line of words."""
    head = f"{pair_text(verdict, rows)}: {metric_title(verdict.metric)} {verdict.call}"
    texts = [", ".join((head, *numbers(verdict))), *verdict.notes]
    return "; ".join(printable(text) for text in texts if text)


def provider_text(row: Row) -> str:
    """What ran it, without the ending that all providers have."""
    if row.report.runtime == "pytorch":
        return "PyTorch"
    return printable(short_provider(row.report.execution_provider))


def wrong_answer_texts(decision: Decision) -> list[str]:
    """Each wrong answer of the decision in one line: whose, to what, what was expected, and what it gave."""
    return [
        f"wrong: {answer.row}, {answer.id}: expected {answer.expected!r}, got {answer.output!r}"
        for answer in decision.wrong_answers
    ]


def bytes_text(value: int | float | None) -> str:
    """Bytes as MB or GB (powers of ten)."""
    return NULL if value is None else format_value("bytes", value)


def ceiling_text(ceiling: Ceiling) -> str:
    """The machine's measured ceiling, in words."""
    return (
        f"reads {ceiling.read_bytes_per_s / 1e9:.1f} GB/s, multiplies {ceiling.matrix_flops / 1e9:.0f} GFLOP/s, "
        f"{ceiling.threads} threads"
    )
