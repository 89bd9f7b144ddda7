"""The audit: every row that was dropped, changed or noted, with file, line and reason; and counts that must add up."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple

from olivepress.core.errors import DataError
from olivepress.data.store.examples import SPLITS

__all__ = ["Account", "Audit", "Place"]

Action = Literal["dropped", "changed", "noted"]


class Place(NamedTuple):
    """Where a row comes from: its line, and its number in the file (a JSON list may be one line), both from 1."""

    file: str
    line: int
    row: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line} (row {self.row})"


@dataclass(frozen=True, kw_only=True)
class Account:
    """Rows read by file, rows kept by split, and the reasons for the rest; a row can be changed for several reasons."""

    read: dict[str, int]
    kept: dict[str, int]
    dropped: dict[str, int]
    changed: dict[str, int]
    noted: dict[str, int]

    def check(self) -> None:
        """Raise DataError unless the counts add up: no row may be lost silently."""
        read, kept, dropped = sum(self.read.values()), sum(self.kept.values()), sum(self.dropped.values())
        if read != kept + dropped:
            raise DataError(
                f"data: {read} rows in, {kept} out, {dropped} dropped with a reason: {read - kept - dropped} are lost",
                next_step="report this as a bug of olivepress",
            )


@dataclass
class Audit:
    """Writes events as they happen, one JSON object per line, and counts them. ``first``: file → first dropped row."""

    path: Path
    read: Counter[str] = field(default_factory=Counter)
    counts: dict[Action, Counter[str]] = field(
        default_factory=lambda: {"dropped": Counter(), "changed": Counter(), "noted": Counter()}
    )
    first: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.file = self.path.open("w", encoding="utf-8", errors="replace")

    def event(self, action: Action, place: Place, reason: str, detail: str = "") -> None:
        """Record what was done to a row. ``detail`` never repeats the row's own text: audits are shared."""
        self.counts[action][reason] += 1
        if action == "dropped":
            self.first.setdefault(place.file, f"{place}: {reason}")
        entry = {**place._asdict(), "action": action, "reason": reason}
        if detail:
            entry["detail"] = detail
        self.file.write(json.dumps(entry, ensure_ascii=False) + "\n")

    def reasons(self) -> str:
        """The reasons for dropped rows, the most frequent first."""
        return ", ".join(f"{count} x {reason}" for reason, count in self.counts["dropped"].most_common(5))

    def account(self, kept: dict[str, int]) -> Account:
        """The checked counts. Raises DataError when they do not add up."""
        self.file.close()
        account = Account(
            read=dict(self.read),
            kept={split: kept.get(split, 0) for split in SPLITS},
            dropped=dict(self.counts["dropped"]),
            changed=dict(self.counts["changed"]),
            noted=dict(self.counts["noted"]),
        )
        account.check()
        return account
