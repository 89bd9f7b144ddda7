"""A comparison for programs and pull requests: JSON, CSV, Markdown; and for a terminal (see ``terminal``)."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields
from typing import Any

from olivepress.compare.document import Decision, Document, Row
from olivepress.compare.gate import Gate
from olivepress.compare.render.cautions import caution_text, cautions
from olivepress.compare.render.first_answers import first_answers
from olivepress.compare.render.headline import decision_sentence, how_sure
from olivepress.compare.render.phrases import (
    MARKS,
    cell,
    difference_text,
    machines,
    metric_title,
    sentence,
    short_name,
    value_text,
    wrong_answer_texts,
)
from olivepress.compare.render.terminal import render_terminal
from olivepress.core.printable import printable
from olivepress.report.device_report import Measurement
from olivepress.report.registry import METRICS
from olivepress.report.training_record import TrainingStep

__all__ = [
    "CSV_COLUMNS",
    "SCHEMA_VERSION",
    "as_data",
    "gate_markdown",
    "render_terminal",
    "to_csv",
    "to_json",
    "to_markdown",
]

SCHEMA_VERSION = 2
CSV_COLUMNS = (
    "name",
    "machine",
    "role",
    "metric",
    "unit",
    "value",
    "ci_low",
    "ci_high",
    "n",
    "reason",
    "labels",
)
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def to_json(document: Document) -> str:
    """The whole document; the raw samples stay in the reports. ValueError for a number that is not finite."""
    return json.dumps(as_data(document), indent=1, sort_keys=True, allow_nan=False) + "\n"


def as_data(document: Document) -> dict[str, Any]:
    """The document as what JSON can hold, with ``schema_version``."""
    data = {f.name: getattr(document, f.name) for f in fields(document) if f.name not in ("rows", "training")}
    data["checklists"] = {name: [asdict(item) for item in items] for name, items in document.checklists.items()}
    for name in ("verdicts", "examples"):
        data[name] = [asdict(entry) for entry in data[name]]
    data["decisions"] = [asdict(entry) | {"sentence": decision_sentence(entry)} for entry in document.decisions]
    return data | {
        "schema_version": SCHEMA_VERSION,
        "rows": [_row(row) for row in document.rows],
        "training": {name: [_step(step) for step in run.steps] for name, run in document.training.items()},
    }


def _step(step: TrainingStep) -> dict[str, Any]:
    """What was measured at a step of a fine-tune."""
    return {name: value for name, value in asdict(step).items() if name != "total" and value not in (None, {}, ())}


def _row(row: Row) -> dict[str, Any]:
    data: dict[str, Any] = {f.name: getattr(row, f.name) for f in fields(row) if f.name != "short"}
    return data | {"report": row.report.model_dump(mode="json", exclude={"samples", "processes"})}


def to_csv(document: Document) -> str:
    """One line per row and metric, header first; numbers in the metric's unit, unrounded.

    Metrics of lm-evaluation-harness are named ``lm_eval:TASK``. ``labels`` are joined by ``; ``.
    """
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for row in document.rows:
        for name, measurement in _all_metrics(row):
            names = [_defused(text) for text in (row.name, row.machine, row.role, name, measurement.unit)]
            numbers = [measurement.value, measurement.ci_low, measurement.ci_high, measurement.n]
            writer.writerow([*names, *numbers, _defused(measurement.reason or ""), _defused("; ".join(row.labels))])
    return out.getvalue()


def _all_metrics(row: Row) -> Iterator[tuple[str, Measurement]]:
    known = [name for name in METRICS if name in row.report.metrics]
    for name in [*known, *sorted(set(row.report.metrics) - set(known))]:
        yield name, row.report.metrics[name]
    for name, measurement in sorted(row.report.lm_eval.items()):
        yield f"lm_eval:{name}", measurement


def _defused(text: str) -> str:
    """A text that a spreadsheet does not take for a formula (OWASP: CSV injection)."""
    shown = printable(text)
    return f"'{shown}" if text.startswith(FORMULA) or shown.startswith(FORMULA) else shown


def to_markdown(document: Document) -> str:
    """A summary for a pull request: what to ship, the numbers, what differs; every text of a report is escaped."""
    lines = [f"# {_escape(document.title)}", ""]
    lines += [f"> {_escape(caution_text(caution))}" for caution in cautions(document)]
    lines += [""] * bool(document.rows and lines[-1])
    for decision in document.decisions:
        lines += [*_decision(decision), ""]
    for machine in machines(document):
        lines += [*_table(document, machine), ""]
    lines += _answers(document)
    rows = {row.name: row for row in document.rows}
    lines += _listed("Differences", (f"{MARKS[v.call]} {sentence(v, rows)}" for v in document.verdicts))
    lines += _listed("Remarks", document.remarks)
    notes = [f"{', '.join(titles)}: {reason}" for reason, titles in document.footnotes]
    if notes:
        lines += ["## Not measured", "", *(f"{i}. {_escape(note)}" for i, note in enumerate(notes, start=1)), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def gate_markdown(gate: Gate) -> str:
    """The answer of a gate with what it rests on, for a pull request."""
    lines = [f"## Gate: {gate.result}", "", *(f"- {_escape(reason)}" for reason in gate.reasons), ""]
    lines += ["| | Artifact | Metric | Before → now | Difference |", "|---|---|---|---:|---:|"]
    for verdict in gate.verdicts:
        before, now = (value_text(verdict.metric, value) for value in (verdict.value_a, verdict.value_b))
        numbers = f"{_escape(before)} → {_escape(now)} | {_escape(difference_text(verdict))}"
        head = f"{MARKS[verdict.call]} {verdict.call} | {_escape(verdict.b)} | {_escape(metric_title(verdict.metric))}"
        lines.append(f"| {head} | {numbers} |")
    return "\n".join(lines) + "\n"


def _listed(title: str, texts: Iterable[str]) -> list[str]:
    items = [f"- {_escape(text)}" for text in texts]
    return [f"## {title}", "", *items, ""] if items else []


def _decision(decision: Decision) -> list[str]:
    where = _escape(" on ".join(part for part in (decision.recipe, decision.machine) if part))
    lines = [f"## What to ship: {where}", "", f"**{_escape(decision_sentence(decision))}**", ""]
    if decision.summary is not None:
        lines += [f"How sure? {_escape(' '.join(how_sure(decision.summary)))}", ""]
    lines += [f"- {_escape(text)}" for text in (decision.headline, *decision.reasons)]
    for candidate in decision.candidates:
        reasons = [check.text for check in candidate.limits] + list(candidate.besides)
        detail = f": {_escape('; '.join(reasons))}" if reasons else ""
        lines.append(f"- {_escape(candidate.name)} – **{candidate.outcome}**{detail}")
    lines += [f"- {_escape(text)}" for text in wrong_answer_texts(decision)]
    return lines + [f"- next: {_escape(text)}" for text in decision.next_steps]


def _answers(document: Document) -> list[str]:
    """The examples of the page's first screen."""
    shown = first_answers(document, document.decisions[0] if document.decisions else None)
    lines = ["## Answers that differ", ""] if shown else []
    for example in shown:
        lines.append(f"- **{_escape(example.question or example.id)}**")
        right = f" (✓ {_escape(', '.join(example.right))})" if example.right else ""
        lines.append(f"  - expected{right}: {_escape(example.expected)}")
        for group in example.groups:
            sign = "✓" if group.correct else "✗"
            lines.append(f"  - {sign} {_escape(', '.join(group.names))}: {_escape(group.output) or '(nothing)'}")
    return [*lines, ""] if lines else []


def _table(document: Document, machine: str) -> list[str]:
    """One machine's numbers, metrics downwards: there are many of them and few artifacts."""
    rows = [row for row in document.rows if row.machine == machine]
    if not rows:
        return []
    notes = {printable(reason): number for number, (reason, _) in enumerate(document.footnotes, start=1)}
    heads = [f"{_escape(short_name(row))}<br>{_escape(row.role)}" for row in rows]
    lines = [
        f"## Measured on {_escape(machine)}",
        "",
        f"| Metric | {' | '.join(heads)} |",
        "|---" + "|---:" * len(rows),
    ]
    lines[-1] += "|"
    for metric in document.columns:
        texts = []
        for row in rows:
            shown = cell(row, metric)
            note = f" <sup>{notes[shown.reason]}</sup>" if shown.reason in notes else ""
            texts.append(_escape(shown.text) + (f" ({_escape(shown.interval)})" if shown.interval else "") + note)
        lines.append(f"| {_escape(metric_title(metric))} | {' | '.join(texts)} |")
    return lines


def _escape(text: str) -> str:
    """Plain text in Markdown: no tag, link, table cell, mention or emphasis may come out of a report."""
    safe = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    safe = re.sub(r"([\\`*_\[\]|#~])", r"\\\1", safe)
    # GitHub makes links of these without any markup.
    return re.sub(r"@(?=\S)", "&#64;", safe).replace("://", ":&#47;&#47;").replace("www.", "www&#46;")
