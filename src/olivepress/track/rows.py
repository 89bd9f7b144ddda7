"""Which rows differ between two prepared datasets, in words that lead a person to them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from olivepress.core.errors import DataError
from olivepress.core.printable import printable
from olivepress.data.store.examples import SPLITS

__all__ = ["RowChanges", "row_changes", "rows_text"]

_NAMED = 3
_LONGEST = 40


@dataclass(frozen=True, kw_only=True)
class RowChanges:
    """Rows of one split, each by the beginning of its prompt. A row with the same prompt and another answer changed."""

    split: str
    changed: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    added: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Row:
    id: str
    prompt: str
    digest: bytes


def row_changes(a: Path, b: Path) -> Iterator[RowChanges]:
    """What differs between the splits of two prepared datasets, but for the order. DataError for one without rows."""
    for split in SPLITS:
        changes = _split_changes(split, *(_rows(folder / f"{split}.jsonl") for folder in (a, b)))
        if changes.changed or changes.removed or changes.added:
            yield changes


def _split_changes(split: str, a: list[_Row], b: list[_Row]) -> RowChanges:
    kept_a, kept_b = {row.digest for row in a}, {row.digest for row in b}
    removed = [row for row in a if row.digest not in kept_b]
    added = [row for row in b if row.digest not in kept_a]
    changed = []
    for how in ("id", "prompt"):  # ids are hashes of the content unless the data has its own
        known = {getattr(row, how): row for row in added}
        for row in list(removed):
            if (other := known.pop(getattr(row, how), None)) is not None:
                changed.append(row.prompt)
                removed.remove(row)
                added.remove(other)
    if len(removed) == len(added) == 1:
        changed.append(f"{removed[0].prompt} → {added[0].prompt}")
        removed, added = [], []
    return RowChanges(
        split=split,
        changed=tuple(changed),
        removed=tuple(row.prompt for row in removed),
        added=tuple(row.prompt for row in added),
    )


def rows_text(changes: list[RowChanges]) -> str:
    """``train: 1 row changed ("Dim the lamp")``."""
    texts = []
    for each in changes:
        for action, rows in (("changed", each.changed), ("removed", each.removed), ("added", each.added)):
            if rows:
                named = ", ".join(f'"{row}"' for row in rows[:_NAMED]) + (", …" if len(rows) > _NAMED else "")
                texts.append(f"{each.split}: {len(rows)} {'row' if len(rows) == 1 else 'rows'} {action} ({named})")
    return "; ".join(texts) or "the same rows in another order"


def _rows(path: Path) -> list[_Row]:
    rows = []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file):
                row = json.loads(line)
                digest = hashlib.sha256(line.strip()).digest()
                rows.append(_Row(id=str(row.get("id", number)), prompt=_prompt(row), digest=digest))
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: cannot be read ({error})", next_step="prepare the data again") from None
    return rows


def _prompt(row: Mapping[str, Any]) -> str:
    messages = row.get("messages")
    text = ""
    if isinstance(messages, list) and len(messages) > 1 and isinstance(messages[-2], dict):
        text = " ".join(str(messages[-2].get("content")).split())
    shown = printable(text)
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1]}…"
