"""The few examples that a reader sees first: those on which the artifacts do not agree, with equal answers joined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from olivepress.compare.document import Answer, Decision, Document, Example, Row

__all__ = ["MOST_SHOWN", "AnswerGroup", "ShownExample", "first_answers"]

MOST_SHOWN = 3
LONGEST = 400  # characters of a text on the first screen; the list of all examples has the whole


@dataclass(frozen=True, kw_only=True)
class AnswerGroup:
    """Artifacts that gave the same answer."""

    names: tuple[str, ...]
    output: str
    correct: bool


@dataclass(frozen=True, kw_only=True)
class ShownExample:
    """One example; texts are shortened. ``right`` gave the expected text itself, ``groups`` any other."""

    id: str
    question: str | None
    expected: str
    right: tuple[str, ...]
    groups: tuple[AnswerGroup, ...]


def first_answers(document: Document, decision: Decision | None) -> tuple[ShownExample, ...]:
    """At most ``MOST_SHOWN`` examples of the decision's artifacts and of the models that they were made from.

    First those on which artifacts differ in being right, then in their texts, then those on which any model differs.
    """
    rows = [row for row in document.rows if _belongs(row, decision)]
    names = {row.name: _name(row) for row in rows}
    shippable = {row.name for row in rows if row.report.runtime != "pytorch"}
    chosen: list[tuple[tuple[bool, bool, bool, int, int], Example]] = []
    for number, example in enumerate(document.examples):
        answers = [answer for answer in example.answers if answer.row in names]
        if answers:
            chosen.append((_order(answers, shippable, number), example))
    chosen.sort(key=lambda entry: entry[0])
    models = {row.name for row in rows if row.role == "base"}
    return tuple(_shown(example, names, shippable, models) for _, example in chosen[:MOST_SHOWN])


def _belongs(row: Row, decision: Decision | None) -> bool:
    if decision is None:
        return True
    if decision.recipe and row.report.recipe != decision.recipe:
        return False
    return row.report.runtime == "pytorch" or row.machine == decision.machine


def _name(row: Row) -> str:
    return row.role if row.report.runtime == "pytorch" else row.artifact


def _order(answers: Sequence[Answer], shippable: set[str], number: int) -> tuple[bool, bool, bool, int, int]:
    """Sort key: what shows a difference between artifacts comes first, and short answers before long ones."""
    exports = [answer for answer in answers if answer.row in shippable]
    same_calls = len({answer.correct for answer in exports}) < 2
    same_texts = len({answer.output for answer in exports}) < 2
    same_anywhere = len({answer.correct for answer in answers}) < 2
    longest = max(len(answer.output) for answer in answers) // LONGEST
    return same_calls, same_texts, same_anywhere, longest, number


def _shown(example: Example, names: dict[str, str], exports: set[str], bases: set[str]) -> ShownExample:
    """The answers of exports, then of the base; the models in between only join them."""
    expected = example.expected.strip()
    answers = sorted(example.answers, key=lambda answer: (answer.row not in exports, answer.row not in bases))
    right: dict[str, None] = {}
    groups: dict[tuple[str, bool], dict[str, None]] = {}
    wanted = {answer.output.strip() for answer in example.answers if answer.row in exports | bases}
    for answer in answers:
        output = answer.output.strip()
        if answer.row not in names or output not in wanted | {expected}:
            continue
        group = right if output == expected and answer.correct else groups.setdefault((output, answer.correct), {})
        group[names[answer.row]] = None
    return ShownExample(
        id=example.id,
        question=None if example.question is None else _short(example.question),
        expected=_short(expected),
        right=tuple(right),
        groups=tuple(
            AnswerGroup(names=tuple(there), output=_short(text), correct=correct)
            for (text, correct), there in groups.items()
        ),
    )


def _short(text: str) -> str:
    """In one line, of at most ``LONGEST`` characters."""
    text = " ".join(text.split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}…"
