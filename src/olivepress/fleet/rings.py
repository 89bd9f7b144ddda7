"""The rings of a rollout, and which machine belongs to which.

The ring follows from a keyed hash of the machine's name: it stays the same, and nobody who does not have the key can
choose a name that falls into a ring. It is written down once, beside the machine, so that it also stays the same when
machines are added, and so that a person can put a machine into another ring.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping

__all__ = ["RINGS", "place", "ring_of", "rings_up_to"]

RINGS: Mapping[str, float] = {"canary": 0.01, "early": 0.10, "broad": 1.0}
"""Ring → the share of all machines that have the release once the ring has it."""


def place(key: bytes, machine: str) -> float:
    """Where a machine stands between 0 and 1: the first 64 bits of HMAC-SHA256."""
    return int.from_bytes(hmac.digest(key, machine.encode(), hashlib.sha256)[:8]) / 2**64


def ring_of(key: bytes, machine: str) -> str:
    """The ring that the keyed hash puts a machine in."""
    at = place(key, machine)
    return next(ring for ring, share in RINGS.items() if at < share or share == 1.0)


def rings_up_to(ring: str) -> tuple[str, ...]:
    """A ring and all before it."""
    names = tuple(RINGS)
    return names[: names.index(ring) + 1]
