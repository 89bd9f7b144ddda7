"""The Hub's slice notation on any file: ``train[:4096]``, ``train[90%:]``, ``test[10:20]+test[50:60]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from olivepress.core.errors import DataError, SetupError

__all__ = ["in_slices"]


def in_slices(slices: Sequence[str], ordinals: NDArray[np.int64], split: str, total: int) -> NDArray[np.bool_]:
    """Whether rows of ``split`` are in the slices, by their ``ordinals`` among ``total`` rows; all if none names it.

    Percentages are rounded as ``datasets`` does (to the closest). Raises DataError for an invalid slice.
    """
    slice_ranges = [ranges for spec in slices if (ranges := _ranges(spec, {split: total})) is not None]
    if not slice_ranges:
        return np.ones(len(ordinals), bool)
    is_inside = np.zeros(len(ordinals), bool)
    for ranges in slice_ranges:
        for start, end in ranges:
            is_inside |= (ordinals >= start) & (ordinals < end)
    return is_inside


def _ranges(spec: str, totals: Mapping[str, int]) -> list[tuple[int, int]] | None:
    """Half-open ranges of rows, or None if the slice is of another split."""
    try:
        from datasets import ReadInstruction
    except ImportError as error:
        raise SetupError(
            f"slice {spec!r} needs the package datasets", next_step="pip install 'olivepress[data]'"
        ) from error
    split = spec.split("[", 1)[0].strip()
    if split not in ("train", "validation", "test"):
        raise DataError(
            f"slice {spec!r}: expected train, validation or test and a range", next_step="--slice 'train[:4096]'"
        )
    if split not in totals:
        return None
    try:
        ranges = ReadInstruction.from_spec(spec).to_absolute(dict(totals))
    except (ValueError, AssertionError) as error:
        raise DataError(f"slice {spec!r}: {error}", next_step="--slice 'train[:4096]'") from None
    return [(each.from_ or 0, totals[split] if each.to is None else each.to) for each in ranges]
