"""Some intents of Banking77, as the authors' own two files."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

INTENTS = {
    "age_limit", "card_arrival", "cash_withdrawal_charge", "change_pin", "exchange_rate", "lost_or_stolen_card",
    "terminate_account", "top_up_failed",
}  # fmt: skip


def write_messages(source: Path, most: int | None = None) -> None:
    """Write the rows of the intents below messages/, of each intent at most ``most`` in each file."""
    Path("messages").mkdir()
    for name in ("train.csv", "test.csv"):
        counts, rows = Counter[str](), list[dict[str, str]]()
        with (source / name).open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                counts[row["category"]] += 1
                if row["category"] in INTENTS and (most is None or counts[row["category"]] <= most):
                    rows.append(row)
        assert {row["category"] for row in rows} == INTENTS
        with Path("messages", name).open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, ["text", "category"])
            writer.writeheader()
            writer.writerows(rows)
