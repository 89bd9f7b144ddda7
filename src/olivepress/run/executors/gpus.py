"""The GPUs of a machine: each belongs to one worker, however many are started."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from olivepress.core.errors import JobError
from olivepress.core.names import slug
from olivepress.core.process import exclusive

__all__ = ["own_gpus"]


@contextlib.contextmanager
def own_gpus(known: Sequence[str], folder: Path | None = None) -> Iterator[tuple[str, ...]]:
    """Those of the ``known`` GPUs that no other worker of this user has; no other gets them in the block.

    ``folder`` has a lock for each; the kernel frees them when a worker dies. Where no lock can be written, as in a
    service without a home, every GPU is its own.
    """
    with contextlib.ExitStack() as stack:
        own = list[str]()
        for gpu in dict.fromkeys(known):
            try:
                locks = folder or Path.home() / ".cache" / "olivepress" / "gpus"
                stack.enter_context(exclusive(locks / slug(gpu)))
            except JobError:  # another worker has it
                continue
            except (OSError, RuntimeError):  # no home at all
                pass
            own.append(gpu)
        yield tuple(own)
