"""The result of a comparison, as records: terminal, JSON, Markdown, CSV and the page are all written from one Document.

Nothing here computes; ``comparison.compare`` makes a Document out of loaded reports.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Literal

from olivepress.core.notebook import record_html, table_html
from olivepress.report.device_report import DeviceReport
from olivepress.report.registry import METRICS
from olivepress.report.training_record import TrainingRun
from olivepress.report.values import format_value

__all__ = [
    "Answer",
    "Candidate",
    "ChecklistItem",
    "Decision",
    "DecisionOutcome",
    "Document",
    "Example",
    "Figure",
    "LimitCheck",
    "Outcome",
    "Reason",
    "Row",
    "Summary",
    "Usefulness",
    "Verdict",
    "WrongAnswer",
]

Call = Literal["better", "worse", "cannot tell", "not comparable"]
Outcome = Literal[
    "recommended",
    "fits",
    "dominated",
    "not useful",
    "not shown useful",
    "over budget",
    "not shown to fit",
    "not measured",
]
# "do_not_ship": nothing that was measured is good enough. "cannot_tell": it was not measured, or too little.
DecisionOutcome = Literal["ship", "not_distinguishable", "do_not_ship", "cannot_tell", "over_budget"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One report. ``name`` is unique in the document, ``short`` the same without the machine that several of them may
    have; ``role`` is its place on the ladder (base … quantized).

    ``labels`` must be read before any of its numbers: random weights, emulated device, synthetic data.
    ``itl_ms`` are 101 quantiles (0 % to 100 %) of the time between tokens in the headline workload, in ms; empty where
    it was not measured. ``decode_by_round``: tokens/s in each round of it. ``report`` carries no raw samples.
    """

    name: str
    short: str
    role: str
    machine: str
    labels: tuple[str, ...]
    report: DeviceReport
    itl_ms: tuple[float, ...] = ()
    decode_by_round: tuple[float, ...] = ()

    @property
    def artifact(self) -> str:
        """Its short name without ``export-``: for where it is one artifact among others."""
        return re.sub(r"(^|/)export-", r"\1", self.short)


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """``b`` against ``a`` (names of rows) in one metric.

    ``difference`` is b - a in the metric's unit, or b / a - 1 where ``relative``; with its interval at ``confidence``.
    ``p_value`` is null where the method has none, ``p_holm`` is corrected over all tests of the document.
    ``detectable`` is the smallest difference that this test would find with a chance of 80 %. ``n`` counts pairs
    (examples, rounds). ``notes`` say what was different in how the two were measured, or why they are not comparable.
    """

    a: str
    b: str
    metric: str
    call: Call
    value_a: float | None = None
    value_b: float | None = None
    difference: float | None = None
    relative: bool = False
    ci_low: float | None = None
    ci_high: float | None = None
    confidence: float = 0.95
    n: int = 0
    p_value: float | None = None
    p_holm: float | None = None
    detectable: float | None = None
    method: str = ""
    lost: int = 0
    gained: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class LimitCheck:
    """One hard limit of the budget against the interval that was measured.

    ``holds`` is True where the whole interval is on the right side, False where all of it is on the wrong one, and None
    where it reaches over the limit or the metric was not measured (then ``value`` is None too). What has no interval
    (bytes, counts) is judged by its value. ``needed``: how many examples would decide, where the interval of answers
    reaches over the limit.
    """

    key: str
    limit: float
    value: float | None
    holds: bool | None
    text: str
    needed: int | None = None


@dataclass(frozen=True, kw_only=True)
class Reason:
    """``code`` for programs (the list is in ``floor.CODES``), ``text`` for people; ``against`` names a row or is ""."""

    code: str
    text: str
    against: str = ""


@dataclass(frozen=True, kw_only=True)
class Usefulness:
    """Whether an artifact's answers are shown to be better than the base's and than one constant answer."""

    call: Literal["useful", "not useful", "cannot tell"]
    reasons: tuple[Reason, ...]


@dataclass(frozen=True, kw_only=True)
class WrongAnswer:
    """One wrong answer of the artifact ``row``; both texts are shortened."""

    row: str
    id: str
    expected: str
    output: str


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """An artifact that could be shipped to the machine: its limits, whether it is on the Pareto front, and why not."""

    name: str
    outcome: Outcome
    limits: tuple[LimitCheck, ...]
    on_front: bool
    reasons: tuple[str, ...]
    usefulness: Usefulness | None = None

    @property
    def besides(self) -> tuple[str, ...]:
        """The ``reasons`` that are not those of a limit."""
        return tuple(text for text in self.reasons if text not in {check.text for check in self.limits})


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number of the artifact ``row``, and the test of it against the summary's reference.

    ``verdict`` is None where nothing was compared. ``equal``: not distinguished, and a loss that matters is excluded.
    """

    row: str
    metric: str
    value: float
    ci_low: float | None = None
    ci_high: float | None = None
    n: int = 0
    verdict: Verdict | None = None
    equal: bool = False


@dataclass(frozen=True, kw_only=True)
class Summary:
    """A decision in figures: what the one sentence about it is written from (``render.headline``).

    ``artifacts`` are to be shipped, or cannot be distinguished; where none is shipped, the best of those measured.
    ``reference`` is what they are compared with: the export with the most bits, else a PyTorch model; "" for none.
    ``figures``: accuracy first. ``right`` of ``answered`` answers of the first artifact; None where not counted.
    ``interchangeable``: several artifacts that are shown to be equal. ``deciding``: at most five differences.
    ``artifact_names`` and ``reference_name`` are for people.
    """

    machine: str
    outcome: DecisionOutcome
    artifacts: tuple[str, ...]
    artifact_names: tuple[str, ...]
    reference: str
    reference_name: str
    figures: tuple[Figure, ...]
    right: int | None = None
    answered: int | None = None
    reason: Reason | None = None
    interchangeable: bool = False
    deciding: tuple[Verdict, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What to ship to one machine: one name, several that cannot be distinguished, or none. ``reasons`` in words.

    ``reason`` is why nothing is to be shipped; None with "ship" and "not_distinguishable". ``next_steps``
    are what to do then, ``wrong_answers`` up to five with "do_not_ship", where the answers are beside the reports.
    """

    machine: str
    recipe: str
    chosen: tuple[str, ...]
    headline: str
    reasons: tuple[str, ...]
    candidates: tuple[Candidate, ...]
    outcome: DecisionOutcome
    reason: Reason | None = None
    next_steps: tuple[str, ...] = ()
    wrong_answers: tuple[WrongAnswer, ...] = ()
    summary: Summary | None = None


@dataclass(frozen=True, kw_only=True)
class Answer:
    """One row's answer to one example."""

    row: str
    output: str
    correct: bool


@dataclass(frozen=True, kw_only=True)
class Example:
    """One example with the answers of all rows that have it, in the order of the rows.

    ``question`` is None where the dataset is not here: reports do not carry it.
    """

    id: str
    expected: str
    label: str | None
    answers: tuple[Answer, ...]
    question: str | None = None


@dataclass(frozen=True, kw_only=True)
class ChecklistItem:
    """One question of a reproducibility checklist. ``missing`` says what to do about it, and is empty where
    ``recorded`` has the answer."""

    name: str
    recorded: str = ""
    missing: str = ""


@dataclass(frozen=True, kw_only=True)
class Document:
    """``columns`` are the metrics of the matrix; ``footnotes`` are (reason, titles of the metrics) of nulls.

    ``remarks``: what must not be compared with what. ``examples`` are those that the rows do not agree on first,
    then others; ``examples_left_out`` counts what did not fit the page. ``training``: fine-tunes by name.
    ``checklists``: what a reproducibility checklist asks of a run, by the run's name.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    decisions: tuple[Decision, ...]
    verdicts: tuple[Verdict, ...]
    remarks: tuple[str, ...]
    footnotes: tuple[tuple[str, tuple[str, ...]], ...]
    examples: tuple[Example, ...] = ()
    examples_left_out: int = 0
    training: dict[str, TrainingRun] = field(default_factory=dict)
    checklists: dict[str, tuple[ChecklistItem, ...]] = field(default_factory=dict)

    def _repr_html_(self) -> str:
        """What a notebook shows: the decisions, and the metrics of the matrix; the page has all of it."""
        decisions = [(each.machine, each.headline, "; ".join(each.reasons)) for each in self.decisions]
        rows = [(row.name, row.role, *(_shown(row, name) for name in self.columns)) for row in self.rows]
        titles = [METRICS[name].title if name in METRICS else name for name in self.columns]
        tables = table_html(("Machine", "What to ship", "Reasons"), decisions)
        return record_html(self.title, tables, table_html(("Artifact", "Stage", *titles), rows))


def _shown(row: Row, metric: str) -> str | None:
    measurement = row.report.metrics.get(metric)
    if measurement is None or measurement.value is None:
        return None
    return format_value(measurement.unit, measurement.value)
