"""One long text on which parent and export are compared beyond a window or a change of the rotary embedding.

Logits are kept for a few dozen positions only: 4,096 tokens of 200,000 float32 logits would take 3.3 GB.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from olivepress.core.array_file import read_arrays
from olivepress.core.errors import JobError
from olivepress.measure.quality.horizon import Horizon

__all__ = [
    "ANSWERED",
    "HEAD",
    "LONG_ROW",
    "LONG_ROW_FORMAT",
    "TAIL",
    "LongRow",
    "kept_positions",
    "long_row",
    "read_long_row",
    "write_long_row",
]

LONG_ROW_FORMAT = 1  # of the row and of its checks; merges and exports with an older one are built again
LONG_ROW = "long_row.npz"  # in the reference folder, not shipped
HEAD = 128  # tokens that the reference's short prompts cover; the long row checks what follows
ANSWERED = 10  # tokens of an answer that starts just before a switch and ends after it
TAIL = 32  # positions at its end
_SPREAD, _BEFORE = 48, 16  # positions over the whole row, and before its first switch
_MOST_SWITCHES = 6


@dataclass(frozen=True, kw_only=True)
class LongRow:
    """Token ids, the positions whose logits are kept, and (tokens, whether the whole text changes) of each switch.

    ``logits`` are the parent's, float32 [positions, vocabulary], None before they are computed.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    switches: tuple[tuple[int, bool], ...]
    logits: np.ndarray | None = None

    @property
    def by_length(self) -> bool:
        """Whether it must be read in one piece, because a part of it would be computed differently."""
        return any(changes for _, changes in self.switches)


def long_row(ids: Iterable[int], reach: Horizon) -> LongRow | None:
    """The first ``reach.length`` tokens of a text; None when the text is no longer than the short prompts."""
    row = tuple(token for token, _ in zip(ids, range(reach.length), strict=False))
    if len(row) <= HEAD + ANSWERED:
        return None
    points = tuple((s.at, s.by_length) for s in reach.switches if s.at + ANSWERED <= len(row))[-_MOST_SWITCHES:]
    return LongRow(ids=row, positions=kept_positions(len(row), [at for at, _ in points]), switches=points)


def kept_positions(length: int, at: Sequence[int]) -> tuple[int, ...]:
    """Positions over the whole row, over the part before the first switch, after each switch, and at the end."""
    first = at[0] if at else HEAD
    positions = {index * length // _SPREAD for index in range(_SPREAD)} | set(range(length - TAIL, length))
    positions |= {index * first // _BEFORE for index in range(_BEFORE)}
    for switch in at:
        positions |= set(range(switch - 2, switch + ANSWERED))
    return tuple(sorted(position for position in positions if 0 <= position < length))


def write_long_row(model: Any, row: LongRow, folder: Path) -> None:
    """Write the logits of a PyTorch model at the kept positions to ``long_row.npz``. JobError when not finite."""
    import torch

    with torch.inference_mode():
        positions = torch.tensor(row.positions)
        out = model(input_ids=torch.tensor([row.ids]), use_cache=False, logits_to_keep=positions)
    logits = out.logits[0].float().numpy()
    if len(logits) == len(row.ids):  # a model without this argument
        logits = logits[list(row.positions)]
    if not np.isfinite(logits).all():
        raise JobError(f"{folder}: NaN or infinite logits on a text of {len(row.ids)} tokens", next_step="train again")
    np.savez(
        folder / LONG_ROW,
        ids=np.asarray(row.ids, dtype=np.int32),
        positions=np.asarray(row.positions, dtype=np.int32),
        switches=np.asarray(row.switches, dtype=np.int32).reshape(-1, 2),
        logits=logits,
    )


def read_long_row(folder: Path) -> LongRow | None:
    """The long row of a reference folder; None when it has none. JobError when it is damaged."""
    file = folder / LONG_ROW
    if not file.is_file():
        return None
    try:
        data = read_arrays(file, ("ids", "positions", "switches", "logits"))
        switches = data["switches"].reshape(-1, 2)
    except (OSError, ValueError) as error:
        reason = str(error).split("\n")[0]
        raise JobError(f"{file}: not a long row ({reason})", next_step="olivepress run rebuilds it") from error
    return LongRow(
        ids=tuple(data["ids"].tolist()),
        positions=tuple(data["positions"].tolist()),
        switches=tuple((int(at), bool(changes)) for at, changes in switches),
        logits=data["logits"],
    )
