"""What a requirement of a release says: pass, fail, or inconclusive with what would decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

__all__ = ["EXIT_CODES", "Judgement", "Outcome"]

Outcome = Literal["pass", "fail", "inconclusive"]
EXIT_CODES: Mapping[Outcome, int] = MappingProxyType({"pass": 0, "fail": 10, "inconclusive": 11})
"""Of commands that judge; the codes of errors (``core.errors``) mean that nothing was judged."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """``evidence`` is one line with the numbers that decided. ``n`` are the observations that it rests on, ``needed``
    how many would decide what is inconclusive, as far as that is known."""

    outcome: Outcome
    evidence: str
    n: int = 0
    needed: int | None = None
