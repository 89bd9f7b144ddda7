"""The answers beside the reports, example by example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from olivepress.compare.document import Answer, Example, Row
from olivepress.report.examples import read_examples

__all__ = ["collect_examples"]

MOST_EXAMPLES = 2000
MOST_CHARACTERS = 2_000_000  # of all answers on the page: it stays far below 5 MB
LONGEST_QUESTION = 2000


def collect_examples(rows: Sequence[Row], questions: Mapping[str, str]) -> tuple[tuple[Example, ...], int]:
    """Examples with the answers of all rows: those on which the rows do not agree, then the others, as they fit.

    Returns them and how many were left out. ``questions``: id → what was asked, as far as it is known.
    """
    asked: dict[str, tuple[str, str | None]] = {}
    answers: dict[str, list[Answer]] = {}
    for row in rows:
        for example in read_examples(row.report) or []:
            key = str(example["id"])
            label = example.get("label")
            asked.setdefault(key, (str(example.get("expected", "")), label if isinstance(label, str) else None))
            output = str(example.get("output", ""))
            answers.setdefault(key, []).append(Answer(row=row.name, output=output, correct=example["correct"]))
        if sum(len(given) for given in answers.values()) > 50 * MOST_EXAMPLES:  # a thousand reports: enough is read
            break
    ordered = sorted(answers, key=lambda key: (len({a.correct for a in answers[key]}) == 1, key))
    kept: list[Example] = []
    room = MOST_CHARACTERS
    for key in ordered[:MOST_EXAMPLES]:
        expected, label = asked[key]
        question = questions.get(key)
        if question is not None and len(question) > LONGEST_QUESTION:
            question = f"{question[:LONGEST_QUESTION]}…"
        room -= len(expected) + len(question or "") + sum(len(a.output) + len(a.row) + 20 for a in answers[key])
        if room < 0:
            break
        kept.append(Example(id=key, expected=expected, label=label, answers=tuple(answers[key]), question=question))
    return tuple(kept), len(ordered) - len(kept)
