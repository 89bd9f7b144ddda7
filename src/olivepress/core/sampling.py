"""Rows chosen from a sequence without chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

__all__ = ["evenly_spread"]

Item = TypeVar("Item")


def evenly_spread(items: Sequence[Item], most: int) -> list[Item]:
    """At most ``most`` of the items, at equal distances from the first on; all of them where there are no more."""
    if most >= len(items):
        return list(items)
    return [items[number * len(items) // most] for number in range(most)]
