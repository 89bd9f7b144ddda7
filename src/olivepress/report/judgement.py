"""What a requirement of a release says: pass, fail, or inconclusive with what would decide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Judgement", "Outcome"]

Outcome = Literal["pass", "fail", "inconclusive"]


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """``evidence`` is one line with the numbers that decided. ``n`` are the observations that it rests on, ``needed``
    how many would decide what is inconclusive, as far as that is known."""

    outcome: Outcome
    evidence: str
    n: int = 0
    needed: int | None = None
