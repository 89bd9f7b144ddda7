"""The part of a large comparison that one page can hold: the decisions first, with the rows that they rest on."""

from __future__ import annotations

from dataclasses import replace

from olivepress.compare.document import Document, Row
from olivepress.report.training_record import TrainingRun

__all__ = ["MOST_DECISIONS", "MOST_ROWS", "MOST_STEPS", "excerpt", "fewer_steps"]

MOST_ROWS, MOST_DECISIONS = 60, 12
MOST_STEPS = 500  # of a fine-tune, and those with an evaluation


def excerpt(document: Document) -> Document:
    """The document itself where it fits; else its first decisions, their rows, and what is remark of these.

    A remark says what was left out and where it is. Nothing in a row is shortened.
    """
    if len(document.rows) <= MOST_ROWS and len(document.decisions) <= MOST_DECISIONS:
        return document
    decisions = document.decisions[:MOST_DECISIONS]
    places = {(decision.machine, decision.recipe) for decision in decisions}
    recipes = {decision.recipe for decision in decisions}
    kept = [row for row in document.rows if _belongs(row, places, recipes)] or list(document.rows)
    kept = kept[:MOST_ROWS]
    names = {row.name for row in kept}
    left_out = len(document.rows) - len(kept)
    remark = (
        f"{left_out} of {len(document.rows)} reports are not on this page: report.json and report.csv hold all of them"
    )
    examples = [
        replace(example, answers=tuple(answer for answer in example.answers if answer.row in names))
        for example in document.examples
    ]
    shown = tuple(example for example in examples if example.answers)
    return replace(
        document,
        rows=tuple(kept),
        decisions=decisions,
        verdicts=tuple(v for v in document.verdicts if v.a in names and v.b in names),
        remarks=((remark, *document.remarks) if left_out else document.remarks),
        examples=shown,
        examples_left_out=document.examples_left_out + len(examples) - len(shown),
        training={name: run for name, run in document.training.items() if name.partition("/")[0] in recipes},
        checklists={name: each for name, each in document.checklists.items() if name.partition("/")[0] in recipes},
    )


def fewer_steps(document: Document) -> Document:
    """The document with the steps of long fine-tunes left out, but for every n-th, evaluations and the last."""
    return replace(document, training={name: _fewer(run) for name, run in document.training.items()})


def _fewer(run: TrainingRun) -> TrainingRun:
    each = -(-len(run.steps) // MOST_STEPS)
    last = len(run.steps) - 1
    kept = (
        step
        for number, step in enumerate(run.steps)
        if number % each == 0 or number == last or step.validation_loss is not None
    )
    return replace(run, steps=tuple(kept))


def _belongs(row: Row, places: set[tuple[str, str]], recipes: set[str]) -> bool:
    """A candidate of a decision, or the PyTorch model that it came from."""
    if row.report.runtime == "pytorch":
        return row.report.recipe in recipes
    return (row.machine, row.report.recipe) in places
