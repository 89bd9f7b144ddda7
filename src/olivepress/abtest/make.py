"""Makes a blind sheet of two artifacts' answers to the same prompts, and its key."""

from __future__ import annotations

import hashlib
import random
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from olivepress.abtest.records import Artifact, Item, Key, Placed, Sheet, sheet_id
from olivepress.core.errors import UsageError

__all__ = ["Answered", "make_sheet"]


@dataclass(frozen=True, kw_only=True)
class Answered:
    """An artifact with its answers by row."""

    artifact: Artifact
    answers: Mapping[str, str]


def make_sheet(
    prompts: Mapping[str, str], a: Answered, b: Answered, *, n: int, seed: int, title: str, now: datetime
) -> tuple[Sheet, Key]:
    """A sheet of at most ``n`` rows that both have answered, and its key. Same input and seed, same sheet.

    Rows are drawn by ``seed``; half of them, chosen by it too, have the answer of ``a`` on the left. Where both answers
    are equal nothing is asked: the key lists the row as a tie. UsageError for equal names, no common row, or nothing
    left to ask.
    """
    if a.artifact.name == b.artifact.name:
        raise UsageError(
            f"both artifacts are called {a.artifact.name!r}", next_step="name them with --name-a and --name-b"
        )
    chooser = random.Random(seed)
    rows = _common_rows(prompts, a, b)
    rows = chooser.sample(rows, min(n, len(rows)))
    identical = tuple(row for row in rows if _same(a.answers[row], b.answers[row]))
    asked = [row for row in rows if row not in set(identical)]
    if not asked:
        raise UsageError(
            f"all {len(rows)} answers of {a.artifact.name} and {b.artifact.name} are equal, so nothing can be compared",
            next_step="compare other artifacts, or on other prompts",
        )
    sides = _sides(len(asked), chooser)
    items, placed = list[Item](), dict[str, Placed]()
    for number, (row, side) in enumerate(zip(asked, sides, strict=True)):
        item = _item(number, prompts[row], a.answers[row], b.answers[row], side)
        items.append(item)
        placed[item.id] = Placed(a="left" if side else "right", row=row)
    sheet = Sheet(id=sheet_id(title, items), title=title, items=tuple(items))
    key = Key(
        sheet=sheet.id,
        seed=seed,
        created_at=now.isoformat(),
        a=a.artifact,
        b=b.artifact,
        items=placed,
        identical=identical,
    )
    return sheet, key


def _common_rows(prompts: Mapping[str, str], a: Answered, b: Answered) -> Sequence[str]:
    rows = sorted(prompts.keys() & a.answers.keys() & b.answers.keys())
    if not rows:
        raise UsageError(
            f"{a.artifact.name} and {b.artifact.name} have answered no prompt in common",
            next_step="give answers to the same dataset, or --data DATASET",
        )
    return rows


def _same(first: str, second: str) -> bool:
    one, other = (unicodedata.normalize("NFC", text).split() for text in (first, second))
    return one == other


def _sides(count: int, chooser: random.Random) -> list[bool]:
    """Whether ``a`` is on the left, for half of the items (of an odd number one more or one less)."""
    sides = [number % 2 == 0 for number in range(count)]
    if count % 2 and chooser.random() < 0.5:
        sides[-1] = False
    chooser.shuffle(sides)
    return sides


def _item(number: int, prompt: str, of_a: str, of_b: str, a_is_left: bool) -> Item:
    left, right = (of_a, of_b) if a_is_left else (of_b, of_a)
    text = f"{number}\0{prompt}\0{left}\0{right}"
    item_id = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return Item(id=item_id, prompt=prompt, left=left, right=right)
