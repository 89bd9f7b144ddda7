"""A comparison on a terminal in a few lines: each decision in its sentence, and the five differences that decide."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from olivepress.compare.document import Decision, Document, Row, Verdict
from olivepress.compare.render.cautions import caution_text, cautions
from olivepress.compare.render.headline import decision_sentence, plain_title
from olivepress.compare.render.phrases import MARKS, difference_interval, difference_value, values_text
from olivepress.compare.render.terminal import CALL_STYLES, HEADLINE_STYLES
from olivepress.core.printable import printable

if TYPE_CHECKING:
    from rich.console import Group, RenderableType
    from rich.table import Table
    from rich.text import Text

__all__ = ["MOST_LINES", "render_short"]

MOST_LINES = 5  # below each decision
MOST_DECISIONS = 12
LONGEST_TEXT = 160  # of a wrong answer or a next step


def render_short(document: Document) -> Group:
    """A rich renderable for ``Console().print``; texts of reports are never read as markup."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(printable(document.title), style="dim")]
    parts += [Text(printable(caution_text(caution)), style="yellow") for caution in cautions(document)]
    rows = {row.name: row for row in document.rows}
    for decision in document.decisions[:MOST_DECISIONS]:
        parts += [Text(), *_decision(decision, rows)]
    more = len(document.decisions) - MOST_DECISIONS
    if more > 0:
        parts += [Text(), Text(f"and {more} more decisions on the page")]
    if not document.decisions:
        parts.append(Text("No decision: there is no artifact that could be shipped.", style="bold yellow"))
    return Group(*parts)


def _decision(decision: Decision, rows: Mapping[str, Row]) -> Iterator[RenderableType]:
    from rich.padding import Padding
    from rich.text import Text

    yield Text(printable(decision_sentence(decision)), style=HEADLINE_STYLES.get(decision.outcome, "bold yellow"))
    verdicts = decision.summary.deciding if decision.summary else ()
    if not decision.chosen:
        verdicts = verdicts[:2]
    if verdicts:
        yield Padding(_table(verdicts, rows), (0, 0, 0, 2))
    left = 0 if decision.chosen else MOST_LINES - len(verdicts)
    steps = [f"next: {text}" for text in decision.next_steps][:left]
    for answer in decision.wrong_answers[: max(0, left - len(steps))]:
        text = Text(f"✗ expected {_short(answer.expected)!r}, got {_short(answer.output)!r}", style="red")
        text.no_wrap, text.overflow = True, "ellipsis"
        yield Padding(text, (0, 0, 0, 2))
    for step in steps:
        yield Padding(Text(_short(step)), (0, 0, 0, 2))


def _short(text: str) -> str:
    shown = printable(text)
    return shown if len(shown) <= LONGEST_TEXT else f"{shown[:LONGEST_TEXT]}…"


def _table(verdicts: tuple[Verdict, ...], rows: Mapping[str, Row]) -> Table:
    from rich.table import Table

    grid = Table.grid(padding=(0, 2, 0, 0))
    for justify in ("left", "left", "right", "left"):
        grid.add_column(no_wrap=True, justify=justify)
    grid.add_column(no_wrap=True, overflow="ellipsis")
    for verdict in verdicts:
        grid.add_row(*_cells(verdict, rows))
    return grid


def _cells(verdict: Verdict, rows: Mapping[str, Row]) -> tuple[Text, ...]:
    from rich.text import Text

    interval = difference_interval(verdict, with_confidence=False)
    against = rows[verdict.a].artifact if verdict.a in rows else verdict.a
    return (
        Text(f"{MARKS[verdict.call]} {plain_title(verdict.metric)}", style=CALL_STYLES[verdict.call]),
        Text(values_text(verdict)),
        Text("" if verdict.difference is None else difference_value(verdict)),
        Text(f"({interval})" if interval else "", style="dim"),
        Text(printable(f"vs {against}")),
    )
