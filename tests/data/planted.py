"""Clean rows of many words, and faults planted among them at known lines."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

_SYLLABLES = ["ka", "ro", "mi", "tel", "van", "su", "dor", "pe", "lin", "gra", "fo", "bu", "sha", "ne", "wil", "ter"]
_WORDS = [a + b + c for a in _SYLLABLES for b in _SYLLABLES for c in ("", "n", "st")]


def sentence(rng: random.Random) -> str:
    """Twelve words out of 768: two sentences are never alike by accident."""
    return " ".join(rng.choices(_WORDS, k=12))


def clean_rows(count: int, seed: int = 0) -> list[dict[str, Any]]:
    """``count`` rows that have nothing wrong with them and are not alike."""
    rng = random.Random(seed)
    return [{"prompt": f"Who is {sentence(rng)}?", "completion": f"It is {sentence(rng)}."} for _ in range(count)]


def write_jsonl(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def events(path: Path, *, action: str | None = None, reason: str = "") -> list[tuple[int, str]]:
    """(line, reason) of the audit's events whose reason contains ``reason``."""
    found = read_jsonl(path)
    return sorted((e["line"], e["reason"]) for e in found if action in (None, e["action"]) and reason in e["reason"])
