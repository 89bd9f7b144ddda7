"""One question of a reproducibility checklist, as the terminal and the pages show it."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ChecklistItem"]


@dataclass(frozen=True, kw_only=True)
class ChecklistItem:
    """``missing`` says what to do about it, and is empty where ``recorded`` has the answer."""

    name: str
    recorded: str = ""
    missing: str = ""
