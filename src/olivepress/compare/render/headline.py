"""A ``Summary`` in words: one sentence, what it rests on, and the figures. Page, terminal, Markdown and JSON use these.

Names of machines and artifacts come back as they are in the summary: whoever shows the text escapes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from olivepress.compare.document import Decision, Document, Figure, Row, Summary, Verdict
from olivepress.compare.floor import CODES
from olivepress.compare.render.phrases import difference_interval, difference_value, interval_text, metric_title
from olivepress.report.registry import METRICS, in_view
from olivepress.report.values import format_value, number_and_unit

__all__ = ["FigureText", "decision_sentence", "figure_texts", "figures_of", "headline", "how_sure", "page_title"]
__all__ += ["plain_title"]

_PLAIN = {
    "exact_match": "Accuracy",
    "decode_tps": "Speed",
    "ttft_ms": "First token",
    "size_on_disk_bytes": "Size",
    "peak_memory_bytes": "Memory",
}
"""Metric → its title for somebody who does not know the tables; the others have that of their column."""
WHOLE = 0.15  # a speed that changes by less is given in percent, not in times
_REASONS = CODES | {"below_minimum": "the answers are below the budget's minimum"}


@dataclass(frozen=True, kw_only=True)
class _Clause:
    """``text`` names a difference; ``word`` goes before the reference, "" where nothing is compared; then ``tail``."""

    text: str
    word: str = ""
    tail: str = ""

    def shown(self, reference: str) -> str:
        named = f" {self.word} {reference}" if reference and self.word else ""
        return f"{self.text}{named}{self.tail}"


def headline(summary: Summary) -> str:
    """The decision in one sentence: what to ship, how fast, how large and how accurate it is against the reference."""
    match summary.outcome:
        case "ship":
            return f"Ship {summary.artifact_names[0]} on {summary.machine}: {_costs(summary)}"
        case "not_distinguishable":
            return _undecided(summary)
        case "do_not_ship":
            return f"Do not ship: {_against(summary)} on {summary.machine}"
        case "over_budget":
            return f"Nothing to ship on {summary.machine}: no artifact is shown to meet the budget"
        case _:
            return f"Cannot recommend an artifact for {summary.machine}: {_reason(summary)}"


def _costs(summary: Summary) -> str:
    figures = {figure.metric: figure for figure in summary.figures}
    accuracy = summary.figures[0] if summary.figures and METRICS[summary.figures[0].metric].is_quality else None
    clauses = [_speed(figures["decode_tps"])] if "decode_tps" in figures else []
    clauses += [_size(figures["size_on_disk_bytes"])] if "size_on_disk_bytes" in figures else []
    clauses += [_accuracy(accuracy)] if accuracy else []
    texts, reference = [], summary.reference_name
    for clause in clauses:
        texts.append(clause.shown(reference))
        reference = "" if clause.word else reference
    return ", ".join(texts) or "nothing was measured that could be compared"


def _speed(figure: Figure) -> _Clause:
    verdict = figure.verdict
    if verdict is None or verdict.difference is None:
        return _Clause(text=_value(figure))
    change = verdict.difference
    if verdict.call == "cannot tell":
        return _Clause(text="about as fast", word="as") if figure.equal else _Clause(text="speed not shown to differ")
    if change >= WHOLE:
        return _Clause(text=f"{1 + change:.1f} times as fast", word="as")
    return _Clause(text=f"{abs(100 * change):.0f} % {'faster' if change > 0 else 'slower'}", word="than")


def _size(figure: Figure) -> _Clause:
    verdict = figure.verdict
    if verdict is None or verdict.difference is None or not verdict.relative:
        return _Clause(text=_value(figure))
    change = verdict.difference
    if verdict.call == "cannot tell":
        return _Clause(text="about as large", word="as")
    if change >= 1:
        return _Clause(text=f"{1 + change:.1f} times as large", word="as")
    return _Clause(text=f"{abs(100 * change):.0f} % {'larger' if change > 0 else 'smaller'}", word="than")


def _accuracy(figure: Figure) -> _Clause:
    """In points of the share of right answers; a metric of free text by its name."""
    verdict, is_share = figure.verdict, figure.metric == "exact_match"
    value = _value(figure) if is_share else f"{metric_title(figure.metric)} {_value(figure)}"
    if verdict is None or verdict.difference is None:
        return _Clause(text=f"{value} accurate" if is_share else value)
    size = difference_value(verdict).lstrip("+-")
    if verdict.call == "cannot tell":
        if figure.equal:
            return _Clause(text="about as accurate", word="as", tail=f" ({value})")
        return _Clause(text="accuracy not shown to differ", tail=f" ({value})")
    more = "more" if verdict.call == "better" else "less"
    return _Clause(text=f"{size} {more} accurate", word="than", tail=f" ({value})")


def _value(figure: Figure) -> str:
    return format_value(METRICS[figure.metric].unit, figure.value)


def _undecided(summary: Summary) -> str:
    names = _listed(summary.artifact_names, "or" if summary.interchangeable else "and")
    numbers = [
        f"{_listed([_value(f) for f in group], 'and')}{' accurate' if metric == 'exact_match' else ''}"
        for metric in (summary.figures[0].metric, "decode_tps")
        if (group := [f for f in summary.figures if f.metric == metric]) and len(group) <= 4
    ]
    rest = f": {', '.join(numbers)}" if numbers else ""
    if summary.interchangeable:
        return f"Ship {names} on {summary.machine}, they are equally good{rest}"
    return f"Undecided on {summary.machine}, {names} cannot be distinguished{rest}"


def _listed(texts: Sequence[str], last: str) -> str:
    if len(texts) > 4:
        texts = [*texts[:3], f"{len(texts) - 3} more"]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} {last} {texts[-1]}"


def _against(summary: Summary) -> str:
    """Why nothing is shipped, with the answers of the best artifact."""
    if summary.right is None or summary.answered is None:
        return _reason(summary)
    counted = f"{summary.right} of {summary.answered} answers are right"
    if summary.right == 0:
        return counted
    return f"{counted}, {_reason(summary)},"


def _reason(summary: Summary) -> str:
    if summary.reason is None:
        return "nothing was measured"
    return _REASONS.get(summary.reason.code, summary.reason.text)


def plain_title(metric: str) -> str:
    """What the first screen calls a metric."""
    return _PLAIN.get(metric, metric_title(metric))


def how_sure(summary: Summary) -> tuple[str, ...]:
    """What the sentence rests on: how much was measured, which differences are beyond chance, and which are not."""
    accuracy = next((f for f in summary.figures if METRICS[f.metric].is_quality), None)
    verdicts = [figure.verdict for figure in summary.figures if figure.verdict is not None]
    rounds = next((v.n for v in verdicts if METRICS[v.metric].judge == "rounds" and v.n > 1), 0)
    amounts = [f"{accuracy.n} answers"] if accuracy and accuracy.n else []
    amounts += [f"{rounds} rounds"] if rounds else []
    sentences = [f"Measured on {' and '.join(amounts)}"] if amounts else ["Too little was measured to say"]
    tested = [v for v in verdicts if METRICS[v.metric].judge not in ("threshold", None)]
    sentences += _calls(tested, {f.metric for f in summary.figures if f.equal})
    if accuracy is not None and summary.outcome != "cannot_tell":
        sentences += _range(accuracy, accuracy.verdict)
    return tuple(f"{sentence}." for sentence in sentences)


def _calls(tested: Sequence[Verdict], equal: set[str]) -> list[str]:
    sure = [plain_title(v.metric).lower() for v in tested if v.call in ("better", "worse")]
    same = [plain_title(v.metric).lower() for v in tested if v.metric in equal]
    open_ = [plain_title(v.metric).lower() for v in tested if v.call == "cannot tell" and v.metric not in equal]
    texts = (("Beyond chance", sure), ("Shown to be about equal", same), ("Too close to call", open_))
    return [f"{text}: {', '.join(titles)}" for text, titles in texts if titles]


def _range(accuracy: Figure, verdict: Verdict | None) -> list[str]:
    title, unit = plain_title(accuracy.metric), METRICS[accuracy.metric].unit
    if verdict is not None and difference_interval(verdict):
        points = " points" if unit == "ratio" else ""
        return [f"{title} changes by {difference_interval(verdict)}{points} (95 % interval)"]
    interval = interval_text(unit, accuracy.value, accuracy.ci_low, accuracy.ci_high)
    shown_unit = f" {number_and_unit(unit, accuracy.value)[1]}".rstrip()
    return [f"{title} is {interval}{shown_unit} (95 % interval)"] if interval else []


@dataclass(frozen=True, kw_only=True)
class FigureText:
    """One figure as texts: ``change`` against the reference, and ``interval``, the range that holds it."""

    row: str
    metric: str
    title: str
    value: str
    call: str
    change: str
    interval: str
    number: float


def figure_texts(summary: Summary) -> tuple[FigureText, ...]:
    """Every figure of the summary, in its order."""
    return tuple(_figure_text(figure) for figure in summary.figures)


def _figure_text(figure: Figure) -> FigureText:
    unit, verdict = METRICS[figure.metric].unit, figure.verdict
    interval = interval_text(unit, figure.value, figure.ci_low, figure.ci_high)
    change, call = "", ""
    if verdict is not None and verdict.difference is not None:
        call = "about equal" if figure.equal else verdict.call
        change, interval = difference_value(verdict), difference_interval(verdict) or interval
    return FigureText(
        row=figure.row,
        metric=figure.metric,
        title=plain_title(figure.metric),
        value=_value(figure),
        call=call,
        change=change,
        interval=interval,
        number=figure.value,
    )


def figures_of(decision: Decision, row: Row) -> tuple[FigureText, ...]:
    """The figures of one artifact of the decision; without a summary those that every card shows."""
    if decision.summary is not None:
        return tuple(text for text in figure_texts(decision.summary) if text.row == row.name)
    found = [(metric, row.report.metrics.get(metric)) for metric in in_view("card")]
    return tuple(
        _figure_text(Figure(row=row.name, metric=metric, value=m.value, ci_low=m.ci_low, ci_high=m.ci_high, n=m.n))
        for metric, m in found
        if m is not None and m.value is not None
    )


def decision_sentence(decision: Decision) -> str:
    """``headline`` of its summary; its own words where there is none."""
    return headline(decision.summary) if decision.summary is not None else decision.headline


def page_title(document: Document) -> str:
    """The sentence of the only decision; of none or several the title of the document."""
    return decision_sentence(document.decisions[0]) if len(document.decisions) == 1 else document.title
