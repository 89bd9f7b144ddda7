"""Sheets of planted answers, and raters that vote by a rule."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from olivepress.abtest.filled import FilledSheet
from olivepress.abtest.make import Answered, make_sheet
from olivepress.abtest.records import Artifact, Filled, Key, Sheet, VotedItem, checksum

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


def planted(
    n: int = 20, *, seed: int = 1, same: Sequence[int] = (), names: Sequence[str] = ("tuned", "base")
) -> tuple[Sheet, Key]:
    """A sheet whose answers name their artifact, with the rows of ``same`` answered equally."""
    rows = [f"row{number}" for number in range(n)]
    prompts = {row: f"Question of {row}?" for row in rows}
    equal = {f"row{number}" for number in same}
    answered = [
        Answered(
            artifact=Artifact(name=name),
            answers={row: "the same answer" if row in equal else f"answer of {name} to {row}" for row in rows},
        )
        for name in names
    ]
    return make_sheet(prompts, *answered, n=n, seed=seed, title="Which answer is better?", now=NOW)


def fill(sheet: Sheet, choose: Callable[[str, int], str], *, rater: str = "Ada", session: str = "") -> Filled:
    """The sheet with the vote that ``choose(item, number)`` gives each item, as the page saves it."""
    votes = tuple(VotedItem(item=item.id, vote=choose(item.id, n)) for n, item in enumerate(sheet.items))
    mark = session or f"{abs(hash(rater)):032x}"[:32]
    filled = Filled(sheet=sheet.id, session=mark, rater=rater, saved_at="2026-11-26T12:00:00.000Z", votes=votes)
    return filled.model_copy(update={"check": checksum(filled)})


def for_a(key: Key, wins: int, losses: int) -> Callable[[str, int], str]:
    """Votes for a on the first ``wins`` items, against it on the next ``losses``, ties after them."""

    def choose(item: str, number: int) -> str:
        left_is_a = key.items[item].a == "left"
        if number < wins:
            return "left" if left_is_a else "right"
        if number < wins + losses:
            return "right" if left_is_a else "left"
        return "tie"

    return choose


def loaded(*sheets: Filled) -> list[FilledSheet]:
    return [FilledSheet(path=Path(f"{filled.rater}.json"), filled=filled) for filled in sheets]


def write(filled: Filled, path: Path) -> Path:
    path.write_text(json.dumps(filled.model_dump(mode="json")), encoding="utf-8")
    return path
