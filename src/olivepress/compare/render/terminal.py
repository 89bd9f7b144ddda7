"""A comparison on a terminal: artifacts are columns, as many beside each other as fit its width."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from olivepress.compare.document import Candidate, Decision, Document, Row, Verdict
from olivepress.compare.render.cautions import caution_text, cautions
from olivepress.compare.render.headline import decision_sentence
from olivepress.compare.render.phrases import (
    MARKS,
    ceiling_text,
    cell,
    machines,
    metric_title,
    numbers,
    pair_text,
    short_name,
    wrong_answer_texts,
)
from olivepress.core.names import target_of_job
from olivepress.core.printable import printable
from olivepress.report.registry import in_view

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
    from rich.table import Table
    from rich.text import Text

__all__ = ["HEADLINE_STYLES", "render_terminal"]

CALL_STYLES = {"better": "green", "worse": "red", "cannot tell": "dim", "not comparable": "yellow"}
OUTCOME_STYLES = {
    "recommended": "bold green",
    "fits": "green",
    "dominated": "dim",
    "over budget": "red",
    "not useful": "bold red",
}
HEADLINE_STYLES = {"ship": "bold green", "not_distinguishable": "bold", "do_not_ship": "bold red"}
GAP = 2  # spaces between columns
WIDE = 14  # letters of an interval that still stand in one line


def render_terminal(document: Document) -> Group:
    """A rich renderable for ``Console().print``; texts of reports are never read as markup."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text(printable(document.title), style="bold")]
    parts += [Text(printable(caution_text(caution)), style="yellow") for caution in cautions(document)]
    short = {row.name: short_name(row) for row in document.rows}
    for decision in document.decisions:
        parts += [Text(), *_decision(decision, short)]
    for machine in machines(document):
        rows = [row for row in document.rows if row.machine == machine]
        if rows:
            parts += [Text(), Text(f"Measured on {printable(machine)}", style="bold"), _Grid(document, rows)]
    highlighted = in_view("terminal")  # the page has all metrics
    verdicts = tuple(verdict for verdict in document.verdicts if verdict.metric in highlighted)
    if verdicts:
        parts += [Text(), Text("Differences", style="bold"), _Verdicts(verdicts, document.rows)]
    parts += _notes(document)
    return Group(*parts)


def _decision(decision: Decision, short: Mapping[str, str]) -> list[RenderableType]:
    from rich.padding import Padding
    from rich.table import Table
    from rich.text import Text

    where = " on ".join(printable(part) for part in (decision.recipe, decision.machine) if part)
    lines: list[RenderableType] = [Text(f"What to ship: {where}", style="bold")]
    style = HEADLINE_STYLES.get(decision.outcome, "bold yellow")
    lines.append(Padding(Text(printable(decision_sentence(decision)), style=style), (0, 2)))
    lines.append(Padding(Text(printable(decision.headline), style=style), (0, 2)))
    lines += [Padding(Text(printable(reason)), (0, 2)) for reason in decision.reasons]
    grid = Table.grid(padding=(0, GAP, 0, 0))
    grid.add_column(no_wrap=True)
    grid.add_column(no_wrap=True)
    grid.add_column(ratio=1)
    for candidate in decision.candidates:
        grid.add_row(*_candidate(candidate, short.get(candidate.name, candidate.name)))
    lines.append(Padding(grid, (0, 2)))
    lines += [Padding(Text(printable(text), style="red"), (0, 2)) for text in wrong_answer_texts(decision)]
    lines += [Padding(Text(printable(f"next: {text}")), (0, 2)) for text in decision.next_steps]
    return lines


def _candidate(candidate: Candidate, name: str) -> tuple[Text, Text, Text]:
    from rich.text import Text

    reasons = "; ".join(printable(text) for text in (*(check.text for check in candidate.limits), *candidate.besides))
    outcome = Text(candidate.outcome, style=OUTCOME_STYLES.get(candidate.outcome, "yellow"))
    return Text(printable(name)), outcome, Text(reasons)


class _Grid:
    """Metrics by artifacts. Only when it is printed is the width known: what does not fit comes in a next table."""

    def __init__(self, document: Document, rows: list[Row]) -> None:
        notes = {printable(reason): number for number, (reason, _) in enumerate(document.footnotes, start=1)}
        self.titles = [metric_title(metric) for metric in document.columns]
        self.columns = [_column(row, document.columns, notes) for row in rows]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        room = options.max_width - max((len(title) for title in self.titles), default=0)
        for number, group in enumerate(self._groups(room)):
            if number:
                yield ""
            yield self._table(group)

    def _groups(self, room: int) -> list[list[list[Text]]]:
        """The columns in the fewest tables that fit, about as many in each: none is left over alone."""
        columns = self.columns
        widths = [GAP + max(len(line) for text in column for line in text.plain.split("\n")) for column in columns]
        for size in range(len(columns), 0, -1):
            size = math.ceil(len(columns) / math.ceil(len(columns) / size))
            starts = range(0, len(columns), size)
            if size == 1 or all(sum(widths[start : start + size]) <= room for start in starts):
                return [columns[start : start + size] for start in starts]
        return []

    def _table(self, columns: list[list[Text]]) -> Table:
        from rich import box
        from rich.table import Table

        # The box puts one space between columns itself.
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 0, 0, GAP - 1), pad_edge=False, show_edge=False)
        table.add_column("", no_wrap=True)
        for column in columns:
            table.add_column(column[0], justify="right", no_wrap=len(columns) > 1, overflow="fold")
        for index, title in enumerate(self.titles, start=1):
            table.add_row(title, *(column[index] for column in columns))
        return table


def _column(row: Row, metrics: tuple[str, ...], notes: dict[str, int]) -> list[Text]:
    """The head and the cells of one artifact."""
    from rich.text import Text

    job = target_of_job(short_name(row))
    name = job[1] if job is not None and job[0] == "export" else short_name(row)
    head = Text(name, style="bold")
    head.append(f"\n{printable(row.role)}" if row.role != name else "\n", style="dim")
    head.append(f"\n{printable(row.report.precision)}", style="dim")
    texts = [head]
    for metric in metrics:
        shown = cell(row, metric)
        text = Text(shown.text + (f" [{notes[shown.reason]}]" if shown.reason in notes else ""))
        if metric == "exact_match" and shown.n:
            text.append(f"\nn={shown.n}", style="dim")
        if shown.interval:
            interval = shown.interval if len(shown.interval) <= WIDE else shown.interval.replace(" to ", " to\n")
            text.append(f"\n{interval}", style="dim")
        texts.append(text)
    return texts


class _Verdicts:
    """The call first, then the pair and its numbers; a line ends between two numbers, never inside one."""

    def __init__(self, verdicts: tuple[Verdict, ...], rows: tuple[Row, ...]) -> None:
        self.verdicts, self.rows = verdicts, {row.name: row for row in rows}
        self.indent = max(len(f"{MARKS[v.call]} {v.call}") for v in verdicts) + GAP

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        from rich.padding import Padding
        from rich.text import Text

        room = max(options.max_width - self.indent, 30)
        for verdict in self.verdicts:
            line = Text(f"{MARKS[verdict.call]} {verdict.call}".ljust(self.indent), style=CALL_STYLES[verdict.call])
            line.append(f"{pair_text(verdict, self.rows)}, ", style="not dim default")
            line.append(metric_title(verdict.metric), style="not dim bold default")
            yield line
            texts = [Text(text) for text in _lines(numbers(verdict), room)]
            texts += [Text(printable(note), style="dim") for note in verdict.notes]
            yield from (Padding(text, (0, 0, 0, self.indent)) for text in texts)


def _lines(parts: tuple[str, ...], width: int) -> list[str]:
    """The parts with commas between them, as many to a line as fit."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + 2 + len(part) <= width:
            lines[-1] += f", {part}"
        else:
            lines.append(part)
    return [f"{line}," for line in lines[:-1]] + lines[-1:]


def _notes(document: Document) -> list[RenderableType]:
    from rich.text import Text

    ceilings = {row.machine: row.report.ceiling for row in document.rows if row.report.ceiling}
    lines: list[RenderableType] = [Text(f"ceiling of {printable(m)}: {ceiling_text(c)}") for m, c in ceilings.items()]
    lines += [Text(f"note: {printable(remark)}", style="yellow") for remark in document.remarks]
    lines += [
        Text(printable(f"[{number}] {', '.join(titles)}: {reason}"), style="dim")
        for number, (reason, titles) in enumerate(document.footnotes, start=1)
    ]
    return [Text(), *lines] if lines else []
