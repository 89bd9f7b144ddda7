"""What a diagnosis says: a finding with its evidence in numbers, and the keys of the recipe to change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

__all__ = ["Change", "Finding", "Kind", "Row", "Value"]

Value = float | int | str | bool | None
Kind = Literal[
    "divergence",
    "learning rate too high",
    "learning rate too low",
    "overfitting",
    "underfitting",
    "template",
    "supervision",
    "label noise",
    "forgetting",
    "memory",
]


@dataclass(frozen=True, kw_only=True)
class Change:
    """A key of the recipe, its value in this run, and the value to try."""

    key: str
    now: Value
    to: Value


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the data: ``loss`` is the mean over its answer's tokens, in nats."""

    id: str
    loss: float
    answer: str
    prompt: str
    suggested: str = ""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """``evidence``: what was measured, by a name with its unit; ``rows`` are those to look at."""

    kind: Kind
    summary: str
    evidence: Mapping[str, Value]
    changes: tuple[Change, ...] = ()
    rows: tuple[Row, ...] = field(default=())
