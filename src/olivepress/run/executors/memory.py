"""The memory that the jobs of a worker may take together."""

from __future__ import annotations

__all__ = ["usable_memory"]


def usable_memory() -> int:
    """Bytes: of this machine, or what its container or service may take, where jobs beyond it would be killed."""
    from distributed.system import memory_limit

    return int(memory_limit())
