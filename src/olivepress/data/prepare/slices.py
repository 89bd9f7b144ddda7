"""The Hub's slices on any file: ``train[:4096]``, ``train[90%:]``, ``test[10:20]+test[50:60]``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from olivepress.core.errors import DataError, SetupError

__all__ = ["inside"]


def inside(slices: Sequence[str], ordinals: NDArray[np.int64], split: str, total: int) -> NDArray[np.bool_]:
    """Which rows of ``split`` lie in the slices, by their place among all ``total`` rows read; all if none names it.

    Percentages are rounded as ``datasets`` does (to the closest). DataError for what is no slice.
    """
    mine = [spec for spec in slices if _ranges(spec, {split: total}) is not None]
    if not mine:
        return np.ones(len(ordinals), bool)
    chosen = np.zeros(len(ordinals), bool)
    for spec in mine:
        for first, last in _ranges(spec, {split: total}) or ():
            chosen |= (ordinals >= first) & (ordinals < last)
    return chosen


def _ranges(spec: str, totals: Mapping[str, int]) -> list[tuple[int, int]] | None:
    """Half-open ranges of rows, or None when the slice is of another split."""
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
        found = ReadInstruction.from_spec(spec).to_absolute(dict(totals))
    except (ValueError, AssertionError) as error:
        raise DataError(f"slice {spec!r}: {error}", next_step="--slice 'train[:4096]'") from None
    return [(0 if one.from_ is None else one.from_, totals[split] if one.to is None else one.to) for one in found]
